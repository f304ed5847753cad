// What a boot slot may do, chosen when it is compiled: -DNAME="..." -DMODE=... (crates/xtask/src/slots_test.rs).
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <sys/syscall.h>

enum { SLOT_SUCCESS = 0xBF10, SLOT_CURRENT = 0xBF11 };
enum { WORKS, HANGS, HANGS_DEAF, FAULTS, NEEDS_AVX2, DISTRESS, ABORTS, TRIPLE_FAULTS, BREAKS_KERNEL, TAKES_ITS_TIME, RESTARTS, OVERWRITES, WAITS };

static void *end_later(void *unused) {
    sleep(4);
    puts(NAME " is done");
    exit(0);
    return unused;
}

int main(void) {
    printf(NAME " runs from slot %ld\n", syscall(SLOT_CURRENT));
    fflush(stdout);
    switch (MODE) {
    case HANGS:
        for (;;) __asm__ volatile("");
    case HANGS_DEAF:
        __asm__ volatile("cli");
        for (;;) __asm__ volatile("");
    case FAULTS:
        __asm__ volatile("ud2");
        break;
    case NEEDS_AVX2:
        __asm__ volatile("vpaddd %%ymm0, %%ymm1, %%ymm2\nvzeroupper" ::: "xmm2");
        break;
    case DISTRESS:
        return 63;
    case ABORTS:
        abort();
    case TRIPLE_FAULTS: {
        struct { unsigned short limit; unsigned long base; } __attribute__((packed)) none = {0, 0};
        __asm__ volatile("lidt %0\nud2" ::"m"(none));
        break;
    }
    case BREAKS_KERNEL:
        ((void (*)(void))0xFFFF900000000000)();
        break;
    case TAKES_ITS_TIME:
        if (syscall(SLOT_SUCCESS) != 0) return 9;
        sleep(4);
        break;
    case WAITS: {
        // For a person who never types anything: that is no hang.
        pthread_t thread;
        char line[10];
        if (pthread_create(&thread, NULL, end_later, NULL) != 0) return 9;
        for (;;) if (read(0, line, sizeof line) < 0) return 9;
    }
    case OVERWRITES: {
        // As a program does that writes an image into its preallocated space: in pieces, at odd places, to its last byte.
        static char bytes[300001];
        for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (char)(i * 7 + 1);
        int file = open("/bareflow/cold.0", O_RDWR);
        if (file < 0 || lseek(file, 0, SEEK_END) != SPACE) return 7;
        if (pwrite(file, bytes, sizeof bytes, 4097) != sizeof bytes || fsync(file) != 0) return 7;
        if (pwrite(file, bytes, 1000, SPACE - 1000) != 1000) return 7;
        if (lseek(file, 70000, SEEK_SET) != 70000 || write(file, bytes, 5) != 5 || fdatasync(file) != 0) return 7;
        close(file);
        break;
    }
    case RESTARTS:
        // As a program does that wrote a better slot.
        if (access("/restarted", F_OK) == 0) break;
        close(open("/restarted", O_CREAT | O_WRONLY, 0644));
        if (syscall(SLOT_SUCCESS) != 0) return 9;
        fflush(stdout);
        syscall(SYS_reboot, 0xFEE1DEAD, 672274793, 0x01234567, 0);
        return 8;
    }
    puts(NAME " is done");
    return 0;
}
