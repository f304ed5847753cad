// Queens on a board: by bits, by arrays, counting symmetric solutions; and a knight's tour.
#include <stdio.h>
#include <stdlib.h>

static int by_bits(unsigned all, unsigned columns, unsigned left, unsigned right) {
    if (columns == all) return 1;
    int count = 0;
    for (unsigned free_ = all & ~(columns | left | right); free_;) {
        unsigned bit = free_ & -free_;
        free_ ^= bit;
        count += by_bits(all, columns | bit, (left | bit) << 1, (right | bit) >> 1);
    }
    return count;
}
static int first[12], found, symmetric;
static void by_array(int n, int row) {
    if (row == n) {
        int same = 1;
        for (int i = 0; i < n; i++) same &= first[i] + first[n - 1 - i] == n - 1;
        if (found++ == 0) {
            for (int i = 0; i < n; i++) printf("%d ", first[i]);
            putchar('\n');
        }
        symmetric += same;
        return;
    }
    for (int c = 0; c < n; c++) {
        int r;
        for (r = 0; r < row; r++)
            if (first[r] == c || abs(first[r] - c) == row - r) break;
        if (r < row) continue;
        first[row] = c;
        by_array(n, row + 1);
    }
}
static const signed char dx[] = {1, 2, 2, 1, -1, -2, -2, -1}, dy[] = {2, 1, -1, -2, -2, -1, 1, 2};
static int degree(int n, int b[8][8], int x, int y) {
    int d = 0;
    for (int k = 0; k < 8; k++) {
        int u = x + dx[k], v = y + dy[k];
        d += u >= 0 && v >= 0 && u < n && v < n && !b[u][v];
    }
    return d;
}
static int tour(int n, int b[8][8]) {
    int x = 0, y = 0;
    b[0][0] = 1;
    for (int step = 2; step <= n * n; step++) {
        int best = -1, least = 9;
        for (int k = 0; k < 8; k++) {
            int u = x + dx[k], v = y + dy[k];
            if (u < 0 || v < 0 || u >= n || v >= n || b[u][v]) continue;
            int d = degree(n, b, u, v);
            if (d < least) least = d, best = k;
        }
        if (best < 0) return step - 1;
        x += dx[best];
        y += dy[best];
        b[x][y] = step;
    }
    return n * n;
}
int main(void) {
    for (int n = 4; n <= 8; n++) {
        found = symmetric = 0;
        by_array(n, 0);
        printf("%d: %d %d %d\n", n, by_bits((1u << n) - 1, 0, 0, 0), found, symmetric);
    }
    int b[8][8] = {{0}};
    printf("%d squares\n", tour(8, b));
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) printf("%2d%c", b[i][j], j == 7 ? '\n' : ' ');
    return 0;
}
