// Fannkuch: permutations and prefix reversals; and permutations in order, by recursion and by swaps.
#include <stdio.h>

static int fannkuch(int n, int *checksum) {
    int p[12], q[12], s[12], sign = 1, most = 0, sum = 0;
    for (int i = 0; i < n; i++) p[i] = q[i] = s[i] = i;
    for (;;) {
        int q0 = p[0];
        if (q0 != 0) {
            for (int i = 1; i < n; i++) q[i] = p[i];
            int flips = 1;
            for (;; flips++) {
                int qq = q[q0];
                if (qq == 0) break;
                q[q0] = q0;
                for (int i = 1, j = q0 - 1; i < j; i++, j--) {
                    int t = q[i];
                    q[i] = q[j];
                    q[j] = t;
                }
                q0 = qq;
            }
            if (flips > most) most = flips;
            sum += sign * flips;
        }
        if (sign == 1) {
            int t = p[0];
            p[0] = p[1];
            p[1] = t;
            sign = -1;
        } else {
            int t = p[1];
            p[1] = p[2];
            p[2] = t;
            sign = 1;
            for (int i = 2; i < n; i++) {
                if (s[i] != 0) {
                    s[i]--;
                    break;
                }
                if (i == n - 1) {
                    *checksum = sum;
                    return most;
                }
                s[i] = i;
                t = p[0];
                for (int j = 0; j <= i; j++) p[j] = p[j + 1];
                p[i + 1] = t;
            }
        }
    }
}
static int next_permutation(int *v, int n) {
    int i = n - 2, j = n - 1;
    while (i >= 0 && v[i] > v[i + 1]) i--;
    if (i < 0) return 0;
    while (v[j] < v[i]) j--;
    int t = v[i];
    v[i] = v[j];
    v[j] = t;
    for (i++, j = n - 1; i < j; i++, j--) t = v[i], v[i] = v[j], v[j] = t;
    return 1;
}
static unsigned long hash;
static void heaps(int *v, int k) {
    if (k == 1) {
        for (int i = 0; i < 6; i++) hash = hash * 7 + (unsigned long)v[i];
        return;
    }
    for (int i = 0; i < k; i++) {
        heaps(v, k - 1);
        int at = k % 2 ? 0 : i, t = v[at];
        v[at] = v[k - 1];
        v[k - 1] = t;
    }
}
int main(void) {
    for (int n = 4; n <= 7; n++) {
        int sum, most = fannkuch(n, &sum);
        printf("%d: %d flips, %d\n", n, most, sum);
    }
    int v[6] = {1, 2, 3, 4, 5, 6}, count = 1;
    unsigned long h = 0;
    while (next_permutation(v, 6)) {
        count++;
        for (int i = 0; i < 6; i++) h = h * 7 + (unsigned long)v[i];
    }
    int w[6] = {0, 1, 2, 3, 4, 5};
    heaps(w, 6);
    printf("%d %lx %lx\n", count, h, hash);
    return 0;
}
