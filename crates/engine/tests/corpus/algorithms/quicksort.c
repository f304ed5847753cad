// Quicksort: Hoare's partition, recursion into the smaller half, insertion sort for short runs.
#include <stdint.h>
#include <stdio.h>

static uint32_t state = 12345;
static int next(void) {
    state = state * 1664525u + 1013904223u;
    return (int)(state >> 8) % 10007 - 5000;
}
static void insertion(int *v, int n) {
    for (int i = 1; i < n; i++) {
        int x = v[i], j = i;
        for (; j > 0 && v[j - 1] > x; j--) v[j] = v[j - 1];
        v[j] = x;
    }
}
static void quick(int *v, int n) {
    while (n > 12) {
        int pivot = v[n / 2], i = -1, j = n;
        for (;;) {
            do i++;
            while (v[i] < pivot);
            do j--;
            while (v[j] > pivot);
            if (i >= j) break;
            int t = v[i];
            v[i] = v[j];
            v[j] = t;
        }
        int left = j + 1;
        if (left < n - left) {
            quick(v, left);
            v += left;
            n -= left;
        } else {
            quick(v + left, n - left);
            n = left;
        }
    }
    insertion(v, n);
}
int main(void) {
    static int v[3000];
    for (int round = 1; round <= 3; round++) {
        int n = round * 1000;
        long before = 0, after = 0;
        for (int i = 0; i < n; i++) before += v[i] = next();
        quick(v, n);
        int sorted = 1;
        uint32_t h = 0;
        for (int i = 0; i < n; i++) {
            after += v[i];
            h = h * 31 + (uint32_t)v[i];
            if (i && v[i - 1] > v[i]) sorted = 0;
        }
        printf("%d: sorted %d, sums %ld %ld, hash %08x, first %d, median %d, last %d\n", n, sorted, before, after, h,
               v[0], v[n / 2], v[n - 1]);
    }
    return 0;
}
