// Scans and scatters: prefix sums, stream compaction, histograms, transposition, gathers through indices, bit packing.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { N = 257 };
static int32_t in[N], out[N], index_[N];
static uint8_t text[N], table[256];
static uint32_t hash(const void *p, size_t n) {
    uint32_t h = 2166136261u;
    for (const uint8_t *b = p; n--; b++) h = (h ^ *b) * 16777619u;
    return h;
}
static int compact(const int32_t *v, int n, int32_t *to) {
    int k = 0;
    for (int i = 0; i < n; i++)
        if (v[i] > 0 && v[i] % 3) to[k++] = v[i];
    return k;
}
static void prefix(const int32_t *v, int n, int32_t *to) {
    int32_t sum = 0;
    for (int i = 0; i < n; i++) to[i] = sum += v[i];
}
static void gather(const int32_t *v, const int32_t *at, int n, int32_t *to) {
    for (int i = 0; i < n; i++) to[i] = v[at[i]] * 2 - v[i];
}
static void scatter(const int32_t *v, const int32_t *at, int n, int32_t *to) {
    for (int i = 0; i < n; i++) to[at[i]] += v[i];
}
static void transpose(const int32_t *v, int rows, int columns, int32_t *to) {
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++) to[c * rows + r] = v[r * columns + c];
}
static int pack(const int32_t *v, int n, int bits, uint64_t *to) {
    uint64_t word = 0;
    int have = 0, k = 0;
    for (int i = 0; i < n; i++) {
        uint64_t x = (uint64_t)(uint32_t)v[i] & ((1ull << bits) - 1);
        word |= x << have;
        if ((have += bits) >= 64) {
            to[k++] = word;
            have -= 64;
            word = have ? x >> (bits - have) : 0;
        }
    }
    to[k++] = word;
    return k;
}
static void reverse(uint8_t *v, int n) {
    for (int i = 0; i < n / 2; i++) {
        uint8_t t = v[i];
        v[i] = v[n - 1 - i];
        v[n - 1 - i] = t;
    }
}
int main(void) {
    for (int i = 0; i < N; i++) {
        in[i] = (i * 7919) % 1009 - 500;
        index_[i] = (i * 101) % N;
        text[i] = (uint8_t)(i * 13 % 97 + 30);
    }
    for (int i = 0; i < 256; i++) table[i] = (uint8_t)(i ^ i >> 1);
    for (int n = 1; n <= N; n = n * 2 + 1) {
        memset(out, 0, sizeof out);
        int k = compact(in, n, out);
        printf("%d %08x ", k, hash(out, sizeof out));
        prefix(in, n, out);
        printf("%08x ", hash(out, sizeof out));
        gather(in, index_, n, out);
        scatter(in, index_, n, out);
        printf("%08x ", hash(out, sizeof out));
        int rows = n / 7 + 1, columns = n / rows;
        transpose(in, rows, columns, out);
        uint64_t packed[N] = {0};
        int words = pack(out, n, 5 + n % 11, packed);
        printf("%d %08x\n", words, hash(packed, sizeof packed));
    }
    uint16_t count[256] = {0};
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < N; i++) text[i] = table[text[i]], count[text[i]]++;
        reverse(text + round, N - 2 * round);
        for (int i = 0; i < N; i++) text[i] = (uint8_t)(text[i] >= 'a' && text[i] <= 'z' ? text[i] - 32 : text[i] + round);
    }
    printf("%08x %08x\n", hash(text, N), hash(count, sizeof count));
    return 0;
}
