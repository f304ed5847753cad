// Atomic operations of all widths and kinds: load, store, exchange, compare-exchange, fetch operations, fences, flags.
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

static uint64_t h = 1;
static void in(uint64_t x) { h = (h ^ x) * 0x9E3779B97F4A7C15u; }
#define TEST(type)                                                                              \
    {                                                                                           \
        static _Atomic(type) a;                                                                 \
        atomic_store(&a, (type)100);                                                            \
        for (int i = 0; i < 20; i++) {                                                          \
            type k = (type)(i * 37 - 100);                                                      \
            in((uint64_t)atomic_fetch_add(&a, k));                                              \
            in((uint64_t)atomic_fetch_sub_explicit(&a, (type)(k / 3), memory_order_relaxed));   \
            in((uint64_t)atomic_fetch_or_explicit(&a, (type)(1 << (i % 7)), memory_order_acquire)); \
            in((uint64_t)atomic_fetch_and_explicit(&a, (type)~(i * 5), memory_order_release));  \
            in((uint64_t)atomic_fetch_xor_explicit(&a, k, memory_order_acq_rel));               \
            in((uint64_t)__atomic_fetch_nand((type *)&a, k, __ATOMIC_SEQ_CST));                         \
            in((uint64_t)__atomic_fetch_min((type *)&a, k, __ATOMIC_SEQ_CST));                  \
            in((uint64_t)__atomic_fetch_max((type *)&a, (type)(k / 2), __ATOMIC_SEQ_CST));      \
            type expected = (type)(i & 1 ? atomic_load(&a) : k);                                \
            in((uint64_t)atomic_compare_exchange_strong(&a, &expected, (type)(k * 3)));         \
            in((uint64_t)expected);                                                             \
            in((uint64_t)atomic_exchange(&a, (type)(expected + 1)));                            \
            a++, --a, a += 3, a *= 5, a ^= (type)i;                                             \
            in((uint64_t)a);                                                                    \
        }                                                                                       \
        printf(#type " %016llx\n", (unsigned long long)h);                                      \
    }
struct pair { int32_t a, b; };
int main(void) {
    TEST(int8_t) TEST(uint8_t) TEST(int16_t) TEST(uint16_t) TEST(int32_t) TEST(uint32_t) TEST(int64_t) TEST(uint64_t)
    _Atomic(double) d = 1.5;
    _Atomic(float) f = 2.5f;
    for (int i = 0; i < 10; i++) d += i * 0.25, f *= 1.5f;
    d = d - 1;
    printf("%.17g %.9g\n", (double)d, (double)(float)f);
    int v[4] = {1, 2, 3, 4};
    _Atomic(int *) p = v;
    atomic_fetch_add(&p, 3);
    printf("%d ", *atomic_load(&p));
    atomic_fetch_sub(&p, 2);
    printf("%d ", *atomic_exchange(&p, v));
    printf("%d\n", *p);
    static _Atomic(struct pair) s;
    struct pair old = atomic_load(&s), next = {5, 6};
    printf("%d ", atomic_compare_exchange_strong(&s, &old, next));
    old = (struct pair){9, 9};
    printf("%d %d %d\n", atomic_compare_exchange_weak(&s, &old, next), old.a, old.b);
    atomic_flag flag = ATOMIC_FLAG_INIT;
    int first = atomic_flag_test_and_set(&flag), second = atomic_flag_test_and_set(&flag);
    atomic_flag_clear(&flag);
    printf("%d %d %d\n", first, second, atomic_flag_test_and_set_explicit(&flag, memory_order_acquire));
    atomic_thread_fence(memory_order_seq_cst);
    atomic_signal_fence(memory_order_acq_rel);
    _Atomic _Bool b = 0;
    b |= 1;
    printf("%d %d %d %d\n", b, atomic_is_lock_free(&b), __sync_fetch_and_add(v, 10), __sync_bool_compare_and_swap(v, 11, 12));
    __sync_synchronize();
    int loops = 0;
    _Atomic int c = 0;
    while (c < 1000) {
        int seen = atomic_load_explicit(&c, memory_order_relaxed);
        while (!atomic_compare_exchange_weak_explicit(&c, &seen, seen + 7, memory_order_release, memory_order_relaxed)) loops += 1000;
        loops++;
    }
    printf("%d %d\n", c, loops);
    return 0;
}
