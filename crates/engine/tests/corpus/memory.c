// Memory: copies and fills of every size, overlap, unaligned access, strings, heap.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t hash(const void *p, size_t n) {
    const unsigned char *b = p;
    uint32_t h = 2166136261u;
    while (n--) h = (h ^ *b++) * 16777619u;
    return h;
}

struct big {
    char c[100];
};
static struct big shift(struct big x) {
    for (int i = 99; i > 0; i--) x.c[i] = x.c[i - 1];
    return x;
}

int main(void) {
    unsigned char buffer[600];
    for (int i = 0; i < 600; i++) buffer[i] = (unsigned char)(i * 7);
    for (size_t n = 0; n < 70; n++) {
        memcpy(buffer + 300, buffer + n, n);
        memmove(buffer + 10, buffer + 7, n);
        memmove(buffer + 100, buffer + 105, n);
        memset(buffer + 500, (int)n, n);
    }
    printf("%08x\n", hash(buffer, sizeof buffer));
    uint64_t u;
    memcpy(&u, buffer + 3, 8);
    uint16_t s;
    memcpy(&s, buffer + 301, 2);
    printf("%016llx %04x\n", (unsigned long long)u, s);
    struct big x;
    memset(&x, 'a', sizeof x);
    x.c[0] = 'z';
    for (int i = 0; i < 5; i++) x = shift(x);
    printf("%.8s %08x\n", x.c, hash(&x, sizeof x));
    char *text = strdup("a string that is split, by commas, and spaces");
    for (char *w = strtok(text, ", "); w; w = strtok(0, ", ")) printf("[%s]", w);
    free(text);
    char line[64];
    snprintf(line, sizeof line, "%s-%s", "left", "right");
    printf("\n%s %zu %d %s\n", line, strlen(line), memcmp("abc", "abd", 3) < 0, strchr(line, '-'));
    int **rows = malloc(20 * sizeof *rows);
    for (int i = 0; i < 20; i++) {
        rows[i] = calloc((size_t)i + 1, sizeof **rows);
        for (int j = 0; j <= i; j++) rows[i][j] = j == 0 || j == i ? 1 : rows[i - 1][j - 1] + rows[i - 1][j];
    }
    printf("%d %d\n", rows[19][9], rows[10][5]);
    for (int i = 0; i < 20; i++) free(rows[i]);
    free(rows);
    long total = 0;
    for (int n = 1; n < 200; n += 13) {
        char *v = __builtin_alloca((size_t)n);
        memset(v, n, (size_t)n);
        total += v[n - 1] + v[0];
    }
    printf("%ld\n", total);
    return 0;
}
