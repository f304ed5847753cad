// Bytes of strings: FNV-1a hashes into a table. The argument is the number of repetitions.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 1024 };
static unsigned table[SLOTS];
static char text[64 * 48];

static uint32_t __attribute__((noinline)) hash(const char *s) {
    uint32_t h = 2166136261u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 1;
    uint32_t x = 1;
    for (int i = 0; i < 64; i++)
        for (int j = 0; j < 47; j++) {
            x = x * 1664525u + 1013904223u;
            text[i * 48 + j] = (char)('a' + (x >> 24) % 26);
        }
    for (int t = 0; t < times; t++)
        for (int i = 0; i < 64; i++) {
            text[i * 48] = (char)('a' + t % 26);
            table[hash(text + i * 48) % SLOTS]++;
        }
    uint32_t sum = 0;
    for (uint32_t i = 0; i < SLOTS; i++) sum = sum * 31 + table[i];
    printf("%u\n", sum);
    return 0;
}
