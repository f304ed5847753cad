// Preemption: threads that spin without a system call do not starve the others, and sleeping is accurate enough.
// exit: 0
// expect: ok spinning threads share
// expect: ok sleep
// expect: ok vector state
#include "check.h"

static volatile int stop;
static volatile long spins[4];

static void *spin(void *who) {
    long self = (long)(intptr_t)who;
    while (!stop)
        spins[self]++;
    return NULL;
}

typedef double vector __attribute__((vector_size(16)));

/* Keeps a pattern in vector registers over many time slices. */
static void *hold(void *who) {
    double self = (double)(intptr_t)who;
    vector a, b, c, d;
    for (int i = 0; i < 2; i++) {
        a[i] = self + i;
        b[i] = self * 2 + i;
        c[i] = self * 3 + i;
        d[i] = self * 4 + i;
    }
    uint64_t end = now_ns() + 150 * 1000 * 1000;
    long rounds = 0;
    do {
        for (int i = 0; i < 1000; i++)
            asm volatile("" : "+x"(a), "+x"(b), "+x"(c), "+x"(d));
        rounds++;
    } while (now_ns() < end);
    for (int i = 0; i < 2; i++)
        CHECK(a[i] == self + i && b[i] == self * 2 + i && c[i] == self * 3 + i && d[i] == self * 4 + i);
    return NULL;
}

/* The upper halves of the AVX registers, by hand, if the processor has them. */
static void *hold_avx(void *who) {
    if (!__builtin_cpu_supports("avx"))
        return NULL;
    uint64_t pattern[4], found[4];
    for (int i = 0; i < 4; i++)
        pattern[i] = (uint64_t)(intptr_t)who * 0x0101010101010101u + (uint64_t)i;
    uint64_t end = now_ns() + 150 * 1000 * 1000;
    while (now_ns() < end) {
        asm volatile("vmovdqu %1, %%ymm7\n\t"
                     "mov $20000, %%ecx\n\t"
                     "1: pause\n\tdec %%ecx\n\tjnz 1b\n\t"
                     "mov $24, %%eax\n\tsyscall\n\t" /* sched_yield */
                     "vmovdqu %%ymm7, %0\n\tvzeroupper"
                     : "=m"(found)
                     : "m"(pattern)
                     : "rcx", "rax", "r11", "xmm7", "memory");
        CHECK(!memcmp(found, pattern, sizeof found));
    }
    return NULL;
}

int main(void) {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, spin, (void *)i) == 0);
    uint64_t before = now_ns();
    /* Short naps, whose ends must not stretch the slices of those who spin. */
    struct timespec nap = {0, 1000 * 1000};
    while (now_ns() - before < 300u * 1000 * 1000)
        CHECK(nanosleep(&nap, NULL) == 0);
    stop = 1;
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    uint64_t took = now_ns() - before;
    CHECK(took < 3000u * 1000 * 1000);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            CHECK(spins[i] > spins[j] / 50);
    ok("spinning threads share");

    before = now_ns();
    nap.tv_nsec = 5 * 1000 * 1000;
    for (int i = 0; i < 20; i++)
        CHECK(nanosleep(&nap, NULL) == 0);
    took = now_ns() - before;
    CHECK(took >= 100u * 1000 * 1000 && took < 1000u * 1000 * 1000);
    ok("sleep");

    for (long i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, i & 1 ? hold_avx : hold, (void *)(i + 1)) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    ok("vector state");
    return 0;
}
