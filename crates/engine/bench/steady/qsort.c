// Generic sort in the manner of qsort: size of elements and comparator as arguments, always the same.
#include "../bench.h"

struct record {
    uint32_t key, value;
};
enum { N = 600 };
static struct record shuffled[N], sorted[N];
typedef int (*compare)(const void *, const void *);
static compare by;
static size_t width;

static int by_key(const void *a, const void *b) {
    uint32_t x = ((const struct record *)a)->key, y = ((const struct record *)b)->key;
    return x < y ? -1 : x > y;
}
static int by_value(const void *a, const void *b) {
    uint32_t x = ((const struct record *)a)->value, y = ((const struct record *)b)->value;
    return x < y ? -1 : x > y;
}

static void setup(void) {
    for (int i = 0; i < N; i++) shuffled[i] = (struct record){random_bits(), (uint32_t)i};
    by = opaque(1) ? by_key : by_value;
    width = (size_t)opaque(sizeof(struct record));
}

static void swap(char *a, char *b, size_t width) {
    while (width--) {
        char t = *a;
        *a++ = *b;
        *b++ = t;
    }
}

// Heap sort: no recursion, no worst case.
static NOINLINE void generic_sort(void *base, size_t n, size_t width, compare cmp) {
    char *v = base;
    for (size_t end = n, start = n / 2; end > 1;) {
        if (start > 0) {
            start--;
        } else {
            end--;
            swap(v, v + end * width, width);
        }
        for (size_t root = start, child; (child = 2 * root + 1) < end; root = child) {
            if (child + 1 < end && cmp(v + child * width, v + (child + 1) * width) < 0) child++;
            if (cmp(v + root * width, v + child * width) >= 0) break;
            swap(v + root * width, v + child * width, width);
        }
    }
}

static NOINLINE uint64_t work(void) {
    memcpy(sorted, shuffled, sizeof sorted);
    generic_sort(sorted, N, width, by);
    return sorted[N / 2].key * 7u + sorted[N / 3].value;
}
