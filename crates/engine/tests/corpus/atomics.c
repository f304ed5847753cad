// Atomics of every size and order, alone and between threads.
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#define ALL(T, x)                                                                                                  \
    do {                                                                                                           \
        _Atomic T v = (T)(x);                                                                                      \
        T e = (T)5;                                                                                                \
        long long r[12];                                                                                           \
        r[0] = (long long)atomic_fetch_add(&v, (T)3);                                                              \
        r[1] = (long long)atomic_fetch_sub_explicit(&v, (T)1, memory_order_relaxed);                               \
        r[2] = (long long)atomic_fetch_or_explicit(&v, (T)0x41, memory_order_acquire);                             \
        r[3] = (long long)atomic_fetch_and_explicit(&v, (T)0x7d, memory_order_release);                            \
        r[4] = (long long)atomic_fetch_xor_explicit(&v, (T)0x3c, memory_order_acq_rel);                            \
        r[5] = (long long)atomic_exchange(&v, (T)5);                                                               \
        r[6] = atomic_compare_exchange_strong(&v, &e, (T)6);                                                       \
        r[7] = atomic_compare_exchange_strong(&v, &e, (T)7);                                                       \
        r[8] = (long long)e;                                                                                       \
        r[9] = (long long)atomic_load_explicit(&v, memory_order_acquire);                                          \
        atomic_store_explicit(&v, (T)-9, memory_order_release);                                                    \
        r[10] = (long long)__atomic_fetch_nand((T *)&v, (T)12, __ATOMIC_SEQ_CST);                                  \
        r[11] = (long long)v;                                                                                      \
        for (int i = 0; i < 12; i++) printf("%lld ", r[i]);                                                        \
        puts(#T);                                                                                                  \
    } while (0)

static _Atomic long counter;
static long plain;
static atomic_flag lock = ATOMIC_FLAG_INIT;

static void *work(void *arg) {
    for (long i = 0; i < 20000; i++) {
        atomic_fetch_add_explicit(&counter, (long)arg, memory_order_relaxed);
        while (atomic_flag_test_and_set_explicit(&lock, memory_order_acquire)) {}
        plain += 2;
        atomic_flag_clear_explicit(&lock, memory_order_release);
    }
    atomic_thread_fence(memory_order_seq_cst);
    return (void *)((long)arg * 2);
}

int main(void) {
    ALL(int8_t, 100);
    ALL(uint8_t, 250);
    ALL(int16_t, -30000);
    ALL(uint16_t, 65000);
    ALL(int32_t, 2147483646);
    ALL(uint32_t, 7);
    ALL(int64_t, -1);
    ALL(uint64_t, 1ull << 63);
    pthread_t t[3];
    long total = 0;
    for (long i = 0; i < 3; i++) pthread_create(&t[i], 0, work, (void *)(i + 1));
    for (int i = 0; i < 3; i++) {
        void *r;
        pthread_join(t[i], &r);
        total += (long)r;
    }
    printf("%ld %ld %ld\n", counter, plain, total);
    double d = 0.5;
    for (int i = 0; i < 5; i++) {
        double old, want;
        __atomic_load(&d, &old, __ATOMIC_RELAXED);
        want = old * 3;
        __atomic_compare_exchange(&d, &old, &want, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    printf("%g\n", d);
    return 0;
}
