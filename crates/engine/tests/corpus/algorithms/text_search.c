// Searching text: Knuth-Morris-Pratt, Boyer-Moore-Horspool, Rabin-Karp, naive, and the C library.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef int finder(const char *, int, const char *, int, int *);
static int naive(const char *t, int n, const char *p, int m, int *at) {
    int found = 0;
    for (int i = 0; i + m <= n; i++)
        if (!memcmp(t + i, p, (size_t)m)) at[found++] = i;
    return found;
}
static int kmp(const char *t, int n, const char *p, int m, int *at) {
    int fail[32], found = 0;
    fail[0] = 0;
    for (int i = 1, k = 0; i < m; i++) {
        while (k && p[i] != p[k]) k = fail[k - 1];
        if (p[i] == p[k]) k++;
        fail[i] = k;
    }
    for (int i = 0, k = 0; i < n; i++) {
        while (k && t[i] != p[k]) k = fail[k - 1];
        if (t[i] == p[k]) k++;
        if (k == m) at[found++] = i - m + 1, k = fail[k - 1];
    }
    return found;
}
static int horspool(const char *t, int n, const char *p, int m, int *at) {
    int skip[256], found = 0;
    for (int i = 0; i < 256; i++) skip[i] = m;
    for (int i = 0; i < m - 1; i++) skip[(uint8_t)p[i]] = m - 1 - i;
    for (int i = 0; i + m <= n; i += skip[(uint8_t)t[i + m - 1]]) {
        int j = m - 1;
        while (j >= 0 && t[i + j] == p[j]) j--;
        if (j < 0) at[found++] = i;
    }
    return found;
}
static int rabin_karp(const char *t, int n, const char *p, int m, int *at) {
    const uint32_t base = 257, mod = 1000003;
    uint32_t hp = 0, ht = 0, high = 1;
    int found = 0;
    if (m > n) return 0;
    for (int i = 0; i < m; i++) {
        hp = (hp * base + (uint8_t)p[i]) % mod;
        ht = (ht * base + (uint8_t)t[i]) % mod;
        if (i) high = high * base % mod;
    }
    for (int i = 0;; i++) {
        if (hp == ht && !strncmp(t + i, p, (size_t)m)) at[found++] = i;
        if (i + m >= n) break;
        ht = (ht + mod - high * (uint8_t)t[i] % mod) % mod;
        ht = (ht * base + (uint8_t)t[i + m]) % mod;
    }
    return found;
}
static int library(const char *t, int n, const char *p, int m, int *at) {
    int found = 0;
    (void)n, (void)m;
    for (const char *s = t; (s = strstr(s, p)); s++) at[found++] = (int)(s - t);
    return found;
}
int main(void) {
    char text[600];
    unsigned s = 3;
    for (int i = 0; i < 599; i++) s = s * 22695477u + 1, text[i] = "ab"[s >> 30 & 1];
    memcpy(text + 100, "abracadabra", 11);
    memcpy(text + 588, "abracadabra", 11);
    text[599] = 0;
    finder *const all[] = {naive, kmp, horspool, rabin_karp, library};
    static const char *const patterns[] = {"abracadabra", "aba", "abababab", "bbbbbb", "c", "xyz", "abra"};
    for (int p = 0; p < 7; p++) {
        printf("%-12s", patterns[p]);
        for (int f = 0; f < 5; f++) {
            int at[600], n = all[f](text, 599, patterns[p], (int)strlen(patterns[p]), at);
            unsigned h = 0;
            for (int i = 0; i < n; i++) h = h * 37 + (unsigned)at[i];
            printf(" %d:%08x", n, h);
        }
        putchar('\n');
    }
    return 0;
}
