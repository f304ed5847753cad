// exit: 0
// expect: ok functions
// expect: ok library
// expect: ok breakpoints
// expect: ok pages
// expect: ok arguments
// options: coverage=on
// link: yes
// machine-only
//
// The bitmaps of functions and pages are exactly what ran and what was touched. 256 functions are called by four threads
// at once, in an order that makes two processors meet at the same function.

#include "check.h"
#include <ucontext.h>

#define INFO 0xBF00
#define FUNCTIONS 0xBF01
#define PAGES 0xBF02
#define MISSES 0xBF03
#define PAGE 4096

struct info {
    uint64_t flags, functions, run, image_start, pages, cold_misses, cold_pages, cold_ns;
    unsigned char build_id[20];
    uint32_t zero;
};

/* The function table: section FUNC of the link data, stored as it is. */
static uint64_t base;
static uint32_t (*table)[2];
static uint32_t count;

static void read_table(void) {
    int file = open("/boot/runtime.link", O_RDONLY);
    CHECK(file >= 0);
    struct stat st;
    CHECK(fstat(file, &st) == 0);
    unsigned char *link = malloc(st.st_size);
    CHECK(read(file, link, st.st_size) == st.st_size);
    close(file);
    CHECK(!memcmp(link, "LINK", 4) && !memcmp(link + 40, "FUNC", 4));
    uint64_t offset;
    memcpy(&offset, link + 48, 8);
    memcpy(&count, link + offset, 4);
    memcpy(&base, link + offset + 8, 8);
    table = (void *)(link + offset + 16);
    CHECK(count > 300);
}

static int number_of(void *function) {
    for (uint32_t i = 0; i < count; i++)
        if (base + table[i][0] == (uintptr_t)function)
            return i;
    CHECK(!"in the table");
    return -1;
}

static unsigned char *bitmap(uint64_t *run) {
    struct info info;
    CHECK(syscall(INFO, &info, sizeof info) == sizeof info);
    CHECK((info.flags & 3) == 3 && info.functions == count);
    unsigned char *bits = calloc(1, count / 8 + 1);
    long bytes = (count + 7) / 8;
    /* In two parts, to see that the offset counts. */
    CHECK(syscall(FUNCTIONS, bits, 10, 0) == 10);
    CHECK(syscall(FUNCTIONS, bits + 10, bytes, 10) == bytes - 10);
    *run = info.run;
    return bits;
}

static int has_run(void *function) {
    uint64_t run;
    unsigned char *bits = bitmap(&run);
    int number = number_of(function);
    int bit = bits[number / 8] >> number % 8 & 1;
    free(bits);
    return bit;
}

/* 256 functions; which of them are called is decided by a hash. */
static volatile unsigned sum;
#define F1(n) __attribute__((noinline, noclone, used)) static void f##n(void) { sum += 0x##n; }
#define F16(n) F1(n##0) F1(n##1) F1(n##2) F1(n##3) F1(n##4) F1(n##5) F1(n##6) F1(n##7) \
    F1(n##8) F1(n##9) F1(n##a) F1(n##b) F1(n##c) F1(n##d) F1(n##e) F1(n##f)
F16(0) F16(1) F16(2) F16(3) F16(4) F16(5) F16(6) F16(7)
F16(8) F16(9) F16(a) F16(b) F16(c) F16(d) F16(e) F16(f)
#define P1(n) f##n,
#define P16(n) P1(n##0) P1(n##1) P1(n##2) P1(n##3) P1(n##4) P1(n##5) P1(n##6) P1(n##7) \
    P1(n##8) P1(n##9) P1(n##a) P1(n##b) P1(n##c) P1(n##d) P1(n##e) P1(n##f)
static void (*const all[256])(void) = {
    P16(0) P16(1) P16(2) P16(3) P16(4) P16(5) P16(6) P16(7)
    P16(8) P16(9) P16(a) P16(b) P16(c) P16(d) P16(e) P16(f)};

static int is_called(int i) { return (i * 2654435761u >> 28) % 3 != 0; }

static pthread_barrier_t barrier;

static void *caller(void *unused) {
    for (int i = 0; i < 256; i++) {
        if (i % 32 == 0)
            pthread_barrier_wait(&barrier);
        if (is_called(i))
            all[i]();
    }
    return unused;
}

static void functions(void) {
    for (int i = 0; i < 256; i++)
        CHECK(!has_run(all[i]));
    uint64_t before, after;
    pthread_t threads[4];
    pthread_barrier_init(&barrier, 0, 4);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], 0, caller, 0) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], 0) == 0);
    unsigned char *bits = bitmap(&before);
    uint64_t ones = 0;
    for (uint32_t i = 0; i < count; i++)
        ones += bits[i / 8] >> i % 8 & 1;
    CHECK(ones == before);
    int expected = 0;
    for (int i = 0; i < 256; i++) {
        int number = number_of(all[i]);
        CHECK((bits[number / 8] >> number % 8 & 1) == is_called(i));
        expected += is_called(i);
    }
    CHECK(expected > 100 && expected < 256);
    free(bits);
    /* A second round of the same changes nothing. */
    bits = bitmap(&before);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], 0, caller, 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], 0);
    for (int i = 0; i < 256; i++)
        CHECK(has_run(all[i]) == is_called(i));
    bitmap(&after);
    CHECK(after >= before && after < before + 8);
    ok("functions");
}

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static void library(void) {
    void *volatile function = qsort;
    CHECK(!has_run(function) && !has_run(compare));
    int numbers[3] = {3, 1, 2};
    ((void (*)(void *, size_t, size_t, int (*)(const void *, const void *)))function)(numbers, 3, 4, compare);
    CHECK(numbers[0] == 1 && numbers[2] == 3);
    CHECK(has_run(function) && has_run(compare) && has_run(read_table));
    ok("library");
}

/* A function whose first instruction is int3, one with an int3 inside, and one that runs and gets an int3 afterwards. */
void own_int3(void);
void inner_int3(void);
__asm__(".text\n.globl own_int3\n.type own_int3, @function\nown_int3: int3\nret\n.size own_int3, . - own_int3\n"
        ".globl inner_int3\n.type inner_int3, @function\ninner_int3: nop\nint3\nret\n.size inner_int3, . - inner_int3\n");
__attribute__((noinline, noclone, aligned(4096))) static void patched(void) { sum += 1; __asm__ volatile(".skip 4096, 0x90"); }

static volatile int traps;
static unsigned char first_byte;
static volatile uintptr_t trapped_at;

static void on_trap(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    traps++;
    ucontext_t *uc = context;
    trapped_at = uc->uc_mcontext.gregs[REG_RIP] - 1;
    if (trapped_at == (uintptr_t)patched) {
        /* As a debugger does: put the byte back, and run the instruction again. */
        CHECK(mprotect((void *)patched, PAGE, PROT_READ | PROT_WRITE) == 0);
        *(unsigned char *)trapped_at = first_byte;
        CHECK(mprotect((void *)patched, PAGE, PROT_READ | PROT_EXEC) == 0);
        uc->uc_mcontext.gregs[REG_RIP]--;
    }
}

static void breakpoints(void) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGTRAP, &action, 0) == 0);
    own_int3();
    CHECK(traps == 1 && trapped_at == (uintptr_t)own_int3);
    own_int3();
    CHECK(traps == 2);
    inner_int3();
    CHECK(traps == 3 && trapped_at == (uintptr_t)inner_int3 + 1 && has_run(inner_int3));
    CHECK(!has_run(patched));
    patched();
    CHECK(traps == 3 && has_run(patched));
    first_byte = *(unsigned char *)patched;
    CHECK(mprotect((void *)patched, PAGE, PROT_READ | PROT_WRITE) == 0);
    *(unsigned char *)patched = 0xCC;
    CHECK(mprotect((void *)patched, PAGE, PROT_READ | PROT_EXEC) == 0);
    patched();
    CHECK(traps == 4 && trapped_at == (uintptr_t)patched);
    patched();
    CHECK(traps == 4);
    ok("breakpoints");
}

/* 64 pages each of constants, data and zeroes. */
#define SPAN (64 * PAGE)
static const volatile unsigned char constants[SPAN] __attribute__((aligned(4096))) = {1};
static volatile unsigned char data[SPAN] __attribute__((aligned(4096))) = {1};
static volatile unsigned char zeroes[SPAN] __attribute__((aligned(4096)));

static void pages(void) {
    struct info info;
    for (int page = 0; page < 64; page++) {
        if (page % 7 == 3) {
            sum += constants[page * PAGE + 5];
            data[page * PAGE + 6] = 1;
        }
        if (page % 5 == 1)
            sum += zeroes[page * PAGE];
    }
    CHECK(syscall(INFO, &info, sizeof info) == sizeof info);
    unsigned char *bits = calloc(1, info.pages / 8 + 1);
    CHECK(syscall(PAGES, bits, info.pages / 8 + 1, 0) == (long)(info.pages + 7) / 8);
#define TOUCHED(at) ({ uint64_t n = ((uintptr_t)(at) - info.image_start) / PAGE; CHECK(n < info.pages); bits[n / 8] >> n % 8 & 1; })
    for (int page = 0; page < 64; page++) {
        CHECK(TOUCHED(constants + page * PAGE) == (page % 7 == 3));
        CHECK(TOUCHED(data + page * PAGE) == (page % 7 == 3));
        CHECK(TOUCHED(zeroes + page * PAGE) == (page % 5 == 1));
    }
    CHECK(TOUCHED(pages) && TOUCHED(&sum));
    ok("pages");
}

static void arguments(void) {
    static const unsigned char constant[200];
    unsigned char bytes[200];
    memset(bytes, 0xEE, sizeof bytes);
    CHECK(syscall(INFO, bytes, 8) == 8 && bytes[8] == 0xEE);
    CHECK(syscall(INFO, bytes, -1L) == 88 && bytes[88] == 0xEE);
    CHECK(syscall(INFO, 0L, 88L) == -1 && errno == EFAULT);
    CHECK(syscall(INFO, constant, 88L) == -1 && errno == EFAULT);
    CHECK(syscall(INFO, 0xFFFF800000000000, 88L) == -1 && errno == EFAULT);
    for (int call = FUNCTIONS; call <= PAGES; call++) {
        CHECK(syscall(call, bytes, 200L, -1L) == 0);
        CHECK(syscall(call, bytes, 200L, 1L << 40) == 0);
        CHECK(syscall(call, bytes, 0L, 0L) == 0);
        CHECK(syscall(call, 0L, 200L, 0L) == -1 && errno == EFAULT);
        CHECK(syscall(call, -8L, 200L, 0L) == -1 && errno == EFAULT);
        CHECK(syscall(call, constant, 8L, 0L) == -1 && errno == EFAULT);
        CHECK(syscall(call, 0L, -1L, 0L) == -1 && errno == EFAULT);
    }
    struct info info;
    CHECK(syscall(INFO, &info, sizeof info) == sizeof info);
    CHECK(syscall(MISSES, bytes, 200L, 0L) == (info.cold_pages < 25 ? (long)info.cold_pages * 8 : 200));
    CHECK(syscall(MISSES, 0L, 200L, 1L << 40) == 0);
    CHECK(syscall(MISSES, bytes, 7L, 0L) == -1 && errno == EINVAL);
    CHECK(syscall(MISSES, bytes, 8L, -1L) == 0);
    CHECK(syscall(0xBFFF, bytes, 8L, 0L) == -1 && errno == ENOSYS);
    ok("arguments");
}

int main(void) {
    read_table();
    functions();
    library();
    breakpoints();
    pages();
    arguments();
    return 0;
}
