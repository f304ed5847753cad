// Pancakes: permutations and reversals of short arrays.
#include "../bench.h"

static void setup(void) {}

static NOINLINE int fannkuch(int n, int *sum) {
    int p[16], q[16], count[16], most = 0, sign = 1, total = 0;
    for (int i = 0; i < n; i++) p[i] = i;
    int r = n;
    for (;;) {
        for (; r != 1; r--) count[r - 1] = r;
        if (p[0]) {
            int flips = 0;
            for (int i = 0; i < n; i++) q[i] = p[i];
            for (int first = q[0]; first; first = q[0]) {
                for (int i = 0, j = first; i < j; i++, j--) {
                    int t = q[i];
                    q[i] = q[j];
                    q[j] = t;
                }
                flips++;
            }
            if (flips > most) most = flips;
            total += sign * flips;
        }
        sign = -sign;
        for (;;) {
            if (r == n) {
                *sum = total;
                return most;
            }
            int first = p[0];
            for (int i = 0; i < r; i++) p[i] = p[i + 1];
            p[r] = first;
            if (--count[r] > 0) break;
            r++;
        }
    }
}

static NOINLINE uint64_t work(void) {
    int sum;
    int most = fannkuch(opaque(7), &sum);
    return (uint64_t)most * 1000 + (uint64_t)sum;
}
