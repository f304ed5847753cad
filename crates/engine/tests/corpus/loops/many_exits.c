// Loops with several exits that leave different values, early returns, values chosen by the way out.
#include <stdint.h>
#include <stdio.h>

static int search(const int *v, int n, int want, int *how) {
    int low = 0, high = n, probes = 0;
    for (;;) {
        if (low >= high) {
            *how = 1;
            return -probes;
        }
        if (++probes > 20) {
            *how = 2;
            return probes;
        }
        int mid = low + (high - low) / 2;
        if (v[mid] == want) {
            *how = 3;
            return mid;
        }
        if (v[mid] < want)
            low = mid + 1;
        else
            high = mid;
    }
}
static double which(int seed, const char **why) {
    uint32_t x = (uint32_t)seed;
    double d = 1;
    float f = 2;
    int64_t l = 3;
    for (int i = 0;; i++) {
        x = x * 1664525u + 1013904223u;
        switch (x >> 28) {
        case 0: *why = "double"; return d;
        case 1: *why = "float"; return (double)f;
        case 2: *why = "long"; return (double)l;
        case 3:
            if (i > 3) {
                *why = "count";
                return i;
            }
            break;
        case 4: d *= 1.5; continue;
        case 5: case 6: f = f * f / 3; break;
        default: l += (int64_t)(x & 255); break;
        }
        d += (double)f - (double)l / 100;
        if (d < -10) goto low;
    }
low:
    *why = "low";
    return d * 2;
}
static int parse(const char *s, long *value) {
    int sign = 1, base = 10;
    long v = 0;
    if (*s == '-') sign = -1, s++;
    if (s[0] == '0' && s[1] == 'x') base = 16, s += 2;
    if (!*s) return -1;
    for (; *s; s++) {
        int d;
        if (*s >= '0' && *s <= '9') d = *s - '0';
        else if (base == 16 && *s >= 'a' && *s <= 'f') d = *s - 'a' + 10;
        else if (*s == '_') continue;
        else return -2;
        if (v > 100000000000L) return -3;
        v = v * base + d;
    }
    *value = sign * v;
    return 0;
}
int main(void) {
    int v[30], how, tally[4] = {0};
    for (int i = 0; i < 30; i++) v[i] = i * 3;
    long sum = 0;
    for (int w = -2; w < 95; w++) {
        sum = sum * 3 % 100003 + search(v, 30, w, &how);
        tally[how]++;
    }
    printf("%ld %d %d %d\n", sum, tally[1], tally[2], tally[3]);
    for (int i = 0; i < 12; i++) {
        const char *why;
        double d = which(i * 77, &why);
        printf("%s %.10g\n", why, d);
    }
    static const char *const texts[] = {"12", "-34", "0xff", "-0x1_000", "", "9x", "999999999999999", "1_2_3"};
    for (int i = 0; i < 8; i++) {
        long value = 0;
        int r = parse(texts[i], &value);
        printf("%d:%ld ", r, value);
    }
    putchar('\n');
    return 0;
}
