// Quicksort of integers whose order is a function the caller passes, always the same.
#include "../bench.h"

enum { N = 1000 };
static int shuffled[N], sorted[N];
typedef int (*order)(int, int);
static order by;

static int ascending(int a, int b) { return a < b; }
static int descending(int a, int b) { return a > b; }

static void setup(void) {
    for (int i = 0; i < N; i++) shuffled[i] = (int)random_bits();
    by = opaque(1) ? ascending : descending;
}

static NOINLINE void sort(int *v, long low, long high, order before) {
    while (low < high) {
        int pivot = v[low + (high - low) / 2];
        long i = low, j = high;
        while (i <= j) {
            while (before(v[i], pivot)) i++;
            while (before(pivot, v[j])) j--;
            if (i <= j) {
                int t = v[i];
                v[i++] = v[j];
                v[j--] = t;
            }
        }
        if (j - low < high - i) {
            sort(v, low, j, before);
            low = i;
        } else {
            sort(v, i, high, before);
            high = j;
        }
    }
}

static NOINLINE uint64_t work(void) {
    memcpy(sorted, shuffled, sizeof sorted);
    sort(sorted, 0, N - 1, by);
    return (uint64_t)sorted[N / 2];
}
