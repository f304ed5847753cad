// Speed of reading a file: into fresh memory at once, into fresh memory by 1 MiB, again into memory in use.
// args: /boot/runtime.elf
// exit: 0
// expect: ok read
// machine-only
#include "check.h"

static double mib_per_second(size_t bytes, uint64_t ns) {
    return (double)bytes / (1 << 20) / ((double)ns / 1e9);
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "/boot/runtime.elf";
    int fd = open(path, O_RDONLY);
    CHECK(fd >= 0);
    struct stat info;
    CHECK(fstat(fd, &info) == 0);
    size_t bytes = (size_t)info.st_size;
    const char *names[] = {"fresh memory, one call", "fresh memory, 1 MiB calls", "used memory, one call"};
    char *at = NULL;
    for (int way = 0; way < 3; way++) {
        if (way < 2)
            at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(at != MAP_FAILED);
        size_t step = way == 1 ? 1 << 20 : bytes;
        uint64_t before = now_ns();
        for (size_t done = 0; done < bytes;) {
            ssize_t count = pread(fd, at + done, bytes - done < step ? bytes - done : step, (off_t)done);
            CHECK(count > 0);
            done += (size_t)count;
        }
        uint64_t took = now_ns() - before;
        printf("read %zu MiB into %s: %.0f MiB/s\n", bytes >> 20, names[way], mib_per_second(bytes, took));
        if (way == 0)
            CHECK(munmap(at, bytes) == 0);
    }
    ok("read");
    return 0;
}
