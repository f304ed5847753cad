//! Reads the same bytes of a disk several times and says how long each pass took: on our machine and on Linux.
//
// On our machine (BAREFLOW_MACHINE is set) it is the payload and reads the file /data. On Linux it is /init: it loads
// the virtio drivers, and reads the same sectors from /dev/vda, past the page cache (O_DIRECT) and through it (emptied
// before each pass). The kernel's command line gives the place as disk_offset= and disk_bytes=.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PIECE = 4 << 20, PASSES = 5 };

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static void failed(const char *what, const char *path) {
    printf("disk-read failed: %s %s: %s\n", what, path, strerror(errno));
}

// One pass over `bytes` bytes from `offset` on. The sum shows that both machines read the same.
static void pass(const char *how, const char *path, int flags, off_t offset, off_t bytes, char *piece) {
    int file = open(path, O_RDONLY | flags);
    if (file < 0) return failed("open", path);
    unsigned long long sum = 0;
    off_t done = 0;
    double start = seconds();
    while (done < bytes) {
        off_t left = bytes - done;
        ssize_t count = pread(file, piece, left < PIECE ? left : PIECE, offset + done);
        if (count <= 0) {
            failed("read", path);
            break;
        }
        for (ssize_t at = 0; at < count; at += 4096) sum = sum * 31 + (unsigned char)piece[at];
        done += count;
    }
    double took = seconds() - start;
    close(file);
    printf("disk-read %s %lld %.6f %llx\n", how, (long long)done, took, sum);
}

static void load_drivers(void) {
    static const char *const names[] = {
        "virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_blk",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "/%s.ko", names[i]);
        int file = open(path, O_RDONLY);
        if (file < 0 || syscall(SYS_finit_module, file, "", 0)) failed("load", path);
        if (file >= 0) close(file);
    }
}

static void drop_caches(void) {
    int file = open("/proc/sys/vm/drop_caches", O_WRONLY);
    if (file < 0 || write(file, "3", 1) != 1) failed("write", "/proc/sys/vm/drop_caches");
    if (file >= 0) close(file);
}

static off_t number(const char *name) {
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : 0;
}

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0);
    char *piece = aligned_alloc(4096, PIECE);
    if (!piece) return failed("memory", ""), 1;
    memset(piece, 1, PIECE);
    if (getenv("BAREFLOW_MACHINE")) {
        struct stat data;
        if (stat("/data", &data)) return failed("stat", "/data"), 1;
        for (int i = 0; i < PASSES; i++) pass("bareflow", "/data", 0, 0, data.st_size, piece);
        return 0;
    }
    mkdir("/dev", 0755);
    mkdir("/proc", 0755);
    if (mount("devtmpfs", "/dev", "devtmpfs", 0, "")) failed("mount", "/dev");
    if (mount("proc", "/proc", "proc", 0, "")) failed("mount", "/proc");
    load_drivers();
    for (int i = 0; i < 500 && access("/dev/vda", R_OK); i++) usleep(10000);
    off_t offset = number("disk_offset"), bytes = number("disk_bytes");
    for (int i = 0; i < PASSES; i++) pass("linux-direct", "/dev/vda", O_DIRECT, offset, bytes, piece);
    for (int i = 0; i < PASSES; i++) {
        drop_caches();
        pass("linux-cached", "/dev/vda", 0, offset, bytes, piece);
    }
    reboot(RB_POWER_OFF);
    return 0;
}
