// Duff's device and other loops unrolled by hand, with remainders of all sizes.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static void duff(uint8_t *to, const uint8_t *from, int count) {
    if (count <= 0) return;
    int n = (count + 7) / 8;
    switch (count % 8) {
    case 0:
        do {
            *to++ = *from++;
        case 7: *to++ = *from++;
        case 6: *to++ = *from++;
        case 5: *to++ = *from++;
        case 4: *to++ = *from++;
        case 3: *to++ = *from++;
        case 2: *to++ = *from++;
        case 1: *to++ = *from++;
        } while (--n > 0);
    }
}
static int32_t dot(const int16_t *a, const int16_t *b, int n) {
    int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    int i = 0;
    for (; i + 4 <= n; i += 4) {
        s0 += a[i] * b[i];
        s1 += a[i + 1] * b[i + 1];
        s2 += a[i + 2] * b[i + 2];
        s3 += a[i + 3] * b[i + 3];
    }
    for (; i < n; i++) s0 += a[i] * b[i];
    return s0 + s1 + s2 + s3;
}
static size_t length(const char *s) {
    const char *p = s;
    while ((uintptr_t)p % 8) {
        if (!*p) return (size_t)(p - s);
        p++;
    }
    for (;; p += 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        if ((w - 0x0101010101010101u) & ~w & 0x8080808080808080u) break;
    }
    while (*p) p++;
    return (size_t)(p - s);
}
static int coroutine(int *state, int *i) {
    switch (*state) {
    case 0:
        for (*i = 0; *i < 5; ++*i) {
            *state = 1;
            return *i * *i;
        case 1:;
        }
        *state = 2;
        return -1;
    }
    return -2;
}
int main(void) {
    uint8_t from[64], to[64];
    for (int i = 0; i < 64; i++) from[i] = (uint8_t)(i * 7 + 1);
    for (int n = 0; n <= 40; n++) {
        memset(to, 0, sizeof to);
        duff(to, from, n);
        unsigned h = 0;
        for (int i = 0; i < 64; i++) h = h * 31 + to[i];
        printf("%08x%c", h, n % 8 == 7 ? '\n' : ' ');
    }
    int16_t a[50], b[50];
    for (int i = 0; i < 50; i++) a[i] = (int16_t)(i * 331 - 5000), b[i] = (int16_t)(3000 - i * 77);
    putchar('\n');
    for (int n = 0; n < 50; n += 7) printf("%d ", dot(a, b, n));
    static _Alignas(8) char text[80] = "a text that is long enough to have words of eight bytes in it";
    for (int i = 0; i < 20; i += 3) printf("%zu ", length(text + i));
    int state = 0, i = 0;
    for (int k = 0; k < 8; k++) printf("%d ", coroutine(&state, &i));
    putchar('\n');
    return 0;
}
