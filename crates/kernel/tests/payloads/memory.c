// Memory: mmap, munmap, mprotect, mremap, madvise, brk; zeroes; errors instead of crashes.
// exit: 0
// memory: 256
// expect: ok zeroed
// expect: ok protection
// expect: ok unmapping
// expect: ok moving
// expect: ok discarding
// expect: ok heap
// expect: ok write xor execute
// expect: ok code
// expect: ok out of memory is an error
// expect: ok reuse
// machine-only
#include "check.h"
#include <setjmp.h>

static sigjmp_buf back;
static volatile void *fault_address;

static void on_fault(int signal, siginfo_t *info, void *context) {
    (void)context;
    CHECK(signal == SIGSEGV);
    fault_address = info->si_addr;
    siglongjmp(back, 1);
}

static int faults(volatile char *at, int write) {
    if (sigsetjmp(back, 1))
        return fault_address == at;
    if (write)
        *at = 1;
    else
        (void)*at;
    return 0;
}

static char *get(size_t bytes) {
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED);
    return at;
}

static int zeroed(const char *at, size_t bytes) {
    for (size_t i = 0; i < bytes; i += 8)
        if (*(const uint64_t *)(at + i))
            return 0;
    return 1;
}

enum { PAGE = 4096, MIB = 1 << 20 };

int main(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);

    for (int round = 0; round < 4; round++) {
        char *small = get(10 * PAGE), *large = get(9 * MIB);
        CHECK(zeroed(small, 10 * PAGE) && zeroed(large, 9 * MIB));
        memset(small, 0xAA, 10 * PAGE);
        memset(large, 0x55, 9 * MIB);
        CHECK(munmap(small, 10 * PAGE) == 0 && munmap(large, 9 * MIB) == 0);
    }
    ok("zeroed");

    char *area = get(8 * MIB);
    memset(area, 1, 8 * MIB);
    CHECK(mprotect(area + 3 * PAGE, PAGE, PROT_NONE) == 0);
    CHECK(mprotect(area + 5 * MIB, MIB, PROT_READ) == 0);
    CHECK(faults(area + 3 * PAGE, 0) && faults(area + 3 * PAGE + 100, 1));
    CHECK(!faults(area + 2 * PAGE, 1) && !faults(area + 4 * PAGE, 1));
    CHECK(!faults(area + 5 * MIB, 0) && faults(area + 5 * MIB, 1) && !faults(area + 6 * MIB, 1));
    CHECK(mprotect(area, 8 * MIB, PROT_READ | PROT_WRITE) == 0);
    CHECK(area[3 * PAGE] == 1 && !faults(area + 5 * MIB, 1)); /* PROT_NONE keeps the data */
    ok("protection");

    CHECK(munmap(area + 2 * MIB + PAGE, PAGE) == 0);
    CHECK(faults(area + 2 * MIB + PAGE, 0) && !faults(area + 2 * MIB, 0) && area[2 * MIB + 2 * PAGE] == 1);
    CHECK(munmap(area, 8 * MIB) == 0 && faults(area, 0) && faults(area + 8 * MIB - 1, 0));
    CHECK(munmap(area, 8 * MIB) == 0); /* nothing there: no error */
    CHECK(munmap(area + 1, PAGE) == -1 && errno == EINVAL);
    ok("unmapping");

    area = get(3 * PAGE);
    for (int i = 0; i < 3; i++)
        area[i * PAGE] = (char)(i + 1);
    char *wall = mmap(area + 3 * PAGE, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(wall != MAP_FAILED);
    if (wall == area + 3 * PAGE)
        CHECK(mremap(area, 3 * PAGE, 20 * PAGE, 0) == MAP_FAILED && errno == ENOMEM);
    char *moved = mremap(area, 3 * PAGE, 20 * PAGE, MREMAP_MAYMOVE);
    CHECK(moved != MAP_FAILED && moved[0] == 1 && moved[PAGE] == 2 && moved[2 * PAGE] == 3);
    CHECK(zeroed(moved + 3 * PAGE, 17 * PAGE));
    CHECK(mremap(moved, 20 * PAGE, PAGE, 0) == moved && moved[0] == 1 && faults(moved + PAGE, 0));
    area = get(6 * MIB);
    for (int i = 0; i < 6 * MIB; i += PAGE)
        *(int *)(area + i) = i;
    for (size_t bytes = 6 * MIB; bytes < 40 * MIB; bytes += 5 * MIB) {
        area = mremap(area, bytes, bytes + 5 * MIB, MREMAP_MAYMOVE);
        CHECK(area != MAP_FAILED);
    }
    for (int i = 0; i < 6 * MIB; i += PAGE)
        CHECK(*(int *)(area + i) == i);
    CHECK(munmap(area, 41 * MIB) == 0);
    area = get(100 * MIB); /* more than half of what there is: promised once while it moves */
    area[99 * MIB] = 5;
    CHECK(mmap(area + 100 * MIB, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) !=
              MAP_FAILED ||
          errno == EEXIST);
    area = mremap(area, 100 * MIB, 160 * MIB, MREMAP_MAYMOVE);
    CHECK(area != MAP_FAILED && area[99 * MIB] == 5);
    CHECK(munmap(area, 160 * MIB) == 0);
    ok("moving");

    area = get(4 * MIB);
    memset(area, 7, 4 * MIB);
    CHECK(madvise(area + MIB, MIB, MADV_DONTNEED) == 0);
    CHECK(area[MIB - 1] == 7 && zeroed(area + MIB, MIB) && area[2 * MIB] == 7);
    CHECK(munmap(area, 4 * MIB) == 0);
    ok("discarding");

    char *end = sbrk(0);
    CHECK(sbrk(3 * MIB) == end && zeroed(end, 3 * MIB));
    memset(end, 9, 3 * MIB);
    CHECK(sbrk(-2 * MIB) == end + 3 * MIB && sbrk(2 * MIB) == end + MIB);
    CHECK(zeroed(end + MIB, 2 * MIB) && end[MIB - 1] == 9);
    ok("heap");

    CHECK(mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHECK(errno == EACCES);
    ok("write xor execute");

    unsigned char *code = (unsigned char *)get(PAGE);
    memcpy(code, "\xb8\x2a\x00\x00\x00\xc3", 6); /* mov eax, 42; ret */
    CHECK(mprotect(code, PAGE, PROT_READ | PROT_EXEC) == 0);
    CHECK(((int (*)(void))(uintptr_t)code)() == 42);
    ok("code");

    CHECK(mmap(NULL, (size_t)1 << 40, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    CHECK(errno == ENOMEM);
    char *blocks[64];
    int count = 0;
    while (count < 64 && (blocks[count] = mmap(NULL, 16 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                                               -1, 0)) != MAP_FAILED)
        count++;
    CHECK(count > 4 && count < 64 && errno == ENOMEM);
    for (int i = 0; i < count; i++) /* what was promised is there */
        memset(blocks[i], i, 16 * MIB);
    CHECK(malloc(16 * MIB) == NULL);
    ok("out of memory is an error");
    for (int i = 0; i < count; i++) {
        CHECK(blocks[i][12345] == (char)i);
        CHECK(munmap(blocks[i], 16 * MIB) == 0);
    }
    for (int round = 0; round < 50; round++) {
        area = get(64 * MIB);
        area[round * MIB] = 1;
        CHECK(munmap(area, 64 * MIB) == 0);
    }
    area = malloc(100 * MIB);
    CHECK(area);
    memset(area, 3, 100 * MIB);
    free(area);
    ok("reuse");
    return 0;
}
