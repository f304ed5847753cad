// Nested loops: triangular bounds, break and continue at all depths, counts of every path.
#include <stdio.h>

static int paths[8];
static long four(int n) {
    long h = 0;
    for (int a = 0; a < n; a++) {
        for (int b = a; b < n; b++) {
            if ((a + b) % 5 == 0) {
                paths[0]++;
                continue;
            }
            for (int c = b; c > a; c--) {
                if (c * a > 40) {
                    paths[1]++;
                    break;
                }
                int d = 0;
                while (1) {
                    if (d > c) {
                        paths[2]++;
                        break;
                    }
                    if (++d % 3 == 0) {
                        paths[3]++;
                        continue;
                    }
                    h = h * 3 + a + b * d - c;
                    if (h > 1000000 || h < -1000000) h %= 9973;
                    if ((h & 63) == 7) {
                        paths[4]++;
                        goto next_b;
                    }
                }
            }
            paths[5]++;
        next_b:;
        }
        if (h % 11 == 3) {
            paths[6]++;
            a++;
        }
    }
    return h;
}
static int spiral(int n) {
    int m[9][9] = {{0}}, k = 1;
    for (int t = 0, b = n - 1, l = 0, r = n - 1; t <= b && l <= r; t++, b--, l++, r--) {
        for (int i = l; i <= r; i++) m[t][i] = k++;
        for (int i = t + 1; i <= b; i++) m[i][r] = k++;
        if (t < b)
            for (int i = r - 1; i >= l; i--) m[b][i] = k++;
        if (l < r)
            for (int i = b - 1; i > t; i--) m[i][l] = k++;
    }
    int h = 0;
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) h = (h * 7 + m[i][j]) % 1000003;
    return h;
}
static int pascal(void) {
    static unsigned t[20][20];
    int odd = 0;
    for (int i = 0; i < 20; i++)
        for (int j = 0; j <= i; j++) {
            t[i][j] = j == 0 || j == i ? 1 : t[i - 1][j - 1] + t[i - 1][j];
            odd += t[i][j] & 1;
        }
    return odd + (int)t[19][9];
}
static int triples(int n) {
    int found = 0;
    for (int c = 5; c < n; c++)
        for (int b = c - 1; b > 0; b--)
            for (int a = 1; a < b; a++) {
                int d = a * a + b * b - c * c;
                if (d > 0) break;
                if (d == 0) found += a * 10000 + b * 100 + c;
            }
    return found;
}
int main(void) {
    for (int n = 1; n < 13; n++) printf("%ld ", four(n));
    putchar('\n');
    for (int i = 0; i < 7; i++) printf("%d ", paths[i]);
    putchar('\n');
    for (int n = 0; n <= 9; n++) printf("%d ", spiral(n));
    printf("\n%d %d\n", pascal(), triples(40));
    return 0;
}
