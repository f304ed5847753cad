// Loops over arrays on the stack of several types, several arrays at once, addresses kept over turns.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static uint32_t ring(int n) {
    uint32_t buffer[16];
    unsigned head = 0, tail = 0, total = 0;
    memset(buffer, 0, sizeof buffer);
    for (int i = 0; i < n; i++) {
        if (head - tail < 16) buffer[head++ & 15] = (uint32_t)(i * i) ^ total;
        if (i % 3 != 0 && head != tail) total = total * 33 + buffer[tail++ & 15];
    }
    return total + head - tail;
}
static double smooth(int n) {
    double a[34], b[34], *from = a, *to = b;
    for (int i = 0; i < 34; i++) a[i] = b[i] = i % 5;
    for (int t = 0; t < n; t++) {
        for (int i = 1; i < 33; i++) to[i] = (from[i - 1] + 2 * from[i] + from[i + 1]) / 4;
        double *s = from;
        from = to;
        to = s;
    }
    double sum = 0;
    for (int i = 0; i < 34; i++) sum += from[i] * (i + 1);
    return sum;
}
static int histogram(const char *s, char *most) {
    int count[128] = {0};
    _Bool seen[128] = {0};
    short order[128];
    int n = 0;
    for (; *s; s++) {
        if (!seen[(int)*s]) seen[(int)*s] = 1, order[n++] = *s;
        count[(int)*s]++;
    }
    int best = 0;
    for (int i = 0; i < n; i++)
        if (count[order[i]] > count[best]) best = order[i];
    *most = (char)best;
    return n;
}
static long matrix_walk(int n) {
    char board[8][8];
    int visits[8] = {0};
    int8_t x = 3, y = 4;
    long h = 0;
    memset(board, '.', sizeof board);
    for (int i = 0; i < n; i++) {
        char *cell = &board[y][x];
        *cell = *cell == '.' ? '#' : '.';
        visits[x]++;
        h = h * 5 % 1000003 + *cell + visits[y];
        x = (int8_t)((x + 1 + (i & 3)) & 7);
        y = (int8_t)((y + (*cell == '#' ? 1 : 7)) & 7);
    }
    for (int i = 0; i < 8; i++) printf("%.8s|", board[i]);
    return h;
}
static int pairs(void) {
    struct {
        short key;
        float weight;
        char name[5];
    } v[12];
    for (int i = 0; i < 12; i++) {
        v[i].key = (short)(i * 5 % 12);
        v[i].weight = 1.5f * (float)i;
        snprintf(v[i].name, sizeof v[i].name, "n%d", i);
    }
    int at = 0, turns = 0;
    float total = 0;
    do {
        total += v[at].weight * (float)(turns + 1);
        v[at].name[0] = (char)('A' + turns);
        at = v[at].key;
    } while (++turns < 12 && at);
    for (int i = 0; i < 12; i++) fputs(v[i].name, stdout);
    return (int)(total * 2) + turns;
}
int main(void) {
    printf("%08x %08x\n", ring(100), ring(1000));
    printf("%.15g %.15g\n", smooth(1), smooth(51));
    char most;
    int n = histogram("on the stack, in the loop, at the header", &most);
    printf("%d '%c'\n", n, most);
    printf("%ld\n", matrix_walk(500));
    printf(" %d\n", pairs());
    return 0;
}
