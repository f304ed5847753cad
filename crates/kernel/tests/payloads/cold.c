// Cold segments: content, misses, system calls on missing pages, faults while the disk is in use.
// exit: 0
// expect: ok content
// expect: ok misses
// expect: ok system calls
// expect: ok protection
// machine-only
//
// Evicted, the constants below are not in memory when the program starts. As it is, there is nothing to miss.
#include "check.h"

#define INFO 0xBF00
#define MISSES 0xBF03
#define PAGE 4096
#define PAGES 64

struct info {
    uint64_t flags, functions, run, image_start, pages, cold_misses, cold_pages, cold_ns;
    unsigned char build_id[20];
    uint32_t zero;
};

/* Word i of 64 pages holds i * 0x9E3779B1. */
extern const uint32_t constants[PAGES * PAGE / 4];
__asm__(".section .rodata\n.balign 4096\n.globl constants\nconstants:\n.set number, 0\n.rept 65536\n"
        ".long (number * 0x9E3779B1) & 0xFFFFFFFF\n.set number, number + 1\n.endr\n.previous\n");

static uint32_t expected(unsigned word) { return word * 0x9E3779B1u; }

static struct info info(void) {
    struct info info;
    CHECK(syscall(INFO, &info, sizeof info) == sizeof info);
    return info;
}

/* How often a page is in the list of misses. */
static int times_missed(const void *page) {
    static uint64_t list[4096];
    long bytes = syscall(MISSES, list, sizeof list, 0);
    CHECK(bytes >= 0 && bytes % 8 == 0);
    int times = 0;
    for (long i = 0; i < bytes / 8; i++)
        times += list[i] == (uintptr_t)page;
    return times;
}

static const char *page_at(int page) { return (const char *)constants + page * PAGE; }

static void check_page(int page) {
    for (unsigned word = page * (PAGE / 4); word < (page + 1u) * (PAGE / 4); word++)
        CHECK(((const volatile uint32_t *)constants)[word] == expected(word));
}

static int is_touched(int page) { return page % 7 == 3; }

static volatile int done;

/* Keeps the disk busy, and checks what comes from it: the program's own file starts like every ELF file. */
static void *reader(void *unused) {
    int file = open("/boot/runtime.elf", O_RDONLY);
    CHECK(file >= 0);
    static __thread char bytes[200000];
    while (!done) {
        CHECK(pread(file, bytes, sizeof bytes, 0) == sizeof bytes);
        CHECK(!memcmp(bytes, "\177ELF", 4));
    }
    close(file);
    return unused;
}

static pthread_barrier_t barrier;

static void *toucher(void *argument) {
    pthread_barrier_wait(&barrier);
    /* Two go up, two go down. */
    for (int i = 0; i < PAGES; i++) {
        int page = (intptr_t)argument & 1 ? i : PAGES - 1 - i;
        if (is_touched(page))
            check_page(page);
    }
    return argument;
}

static void content(void) {
    pthread_t disk, threads[4];
    CHECK(pthread_create(&disk, 0, reader, 0) == 0);
    pthread_barrier_init(&barrier, 0, 4);
    for (intptr_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], 0, toucher, (void *)i) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], 0) == 0);
    done = 1;
    CHECK(pthread_join(disk, 0) == 0);
    ok("content");
}

static void misses(int is_cold) {
    for (int page = 0; page < PAGES; page++)
        CHECK(times_missed(page_at(page)) == (is_cold && is_touched(page)));
    struct info before = info();
    CHECK(before.cold_misses == before.cold_pages);
    CHECK(!is_cold || (before.cold_pages > 20 && before.cold_ns > 0));
    /* Forgotten pages come back, and count as missed, but are the same pages. */
    if (is_cold) {
        CHECK(madvise((void *)page_at(3), PAGE, MADV_DONTNEED) == 0);
        check_page(3);
        struct info after = info();
        CHECK(after.cold_misses == before.cold_misses + 1 && after.cold_pages == before.cold_pages);
        CHECK(times_missed(page_at(3)) == 1);
    }
    ok("misses");
}

static void system_calls(int is_cold) {
    char bytes[3 * PAGE];
    int file = open("/copy", O_RDWR | O_CREAT | O_TRUNC, 0600);
    CHECK(file >= 0);
    /* The kernel writes from pages that are missing, over a page that is there (24), while it needs the disk for both. */
    CHECK(!is_cold || times_missed(page_at(23)) == 0);
    CHECK(pwrite(file, page_at(23), 3 * PAGE, 0) == 3 * PAGE);
    CHECK(pread(file, bytes, sizeof bytes, 0) == 3 * PAGE && !memcmp(bytes, page_at(23), sizeof bytes));
    CHECK(times_missed(page_at(23)) == is_cold);
    CHECK(close(file) == 0 && unlink("/copy") == 0);
    /* A missing page is no place to read to. */
    file = open("/boot/runtime.elf", O_RDONLY);
    CHECK(pread(file, (void *)page_at(30), PAGE, 0) == -1 && errno == EFAULT);
    CHECK(times_missed(page_at(30)) == 0);
    close(file);
    check_page(30);
    ok("system calls");
}

static void protection(int is_cold) {
    char *page = (char *)page_at(40);
    CHECK(mprotect(page, PAGE, PROT_READ | PROT_WRITE) == 0);
    page[5] = 1;
    CHECK(page[5] == 1 && ((uint32_t *)page)[2] == expected(40 * PAGE / 4 + 2));
    CHECK(mprotect(page, PAGE, PROT_NONE) == 0);
    CHECK(mprotect(page, PAGE, PROT_READ) == 0 && page[5] == 1);
    if (is_cold)
        CHECK(mremap((void *)page_at(41), PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EINVAL);
    check_page(41);
    /* What is mapped over a cold page is zero, and stays. */
    char *over = mmap((void *)page_at(42), PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(over == page_at(42) && over[0] == 0 && over[PAGE - 1] == 0);
    check_page(43);
    ok("protection");
}

int main(void) {
    int is_cold = (info().flags & 4) != 0;
    content();
    misses(is_cold);
    system_calls(is_cold);
    protection(is_cold);
    return 0;
}
