// Switches: dense, sparse, ranges, 64-bit and negative labels, strings by hash, fall through, nested, in loops.
#include <stdint.h>
#include <stdio.h>

static int dense(int x) {
    switch (x) {
    case 0: return 5;
    case 1: return 50;
    case 2: case 3: return 7;
    case 4: x += 10; /* fall through */
    case 5: return x * 2;
    case 6: break;
    case 7: return -1;
    case 8: x--; break;
    default: return 1000 + x;
    }
    return x;
}
static const char *sparse(int64_t x) {
    switch (x) {
    case INT64_MIN: return "least";
    case -1000000007: return "prime";
    case -1: return "minus one";
    case 0: return "zero";
    case 17: return "seventeen";
    case 4294967296: return "2^32";
    case 4294967313: return "2^32+17";
    case INT64_MAX: return "most";
    }
    return "other";
}
static int kind(unsigned char c) {
    switch (c) {
    case '0' ... '9': return 1;
    case 'a' ... 'z': case 'A' ... 'Z': case '_': return 2;
    case ' ': case '\t': case '\n': return 3;
    case 128 ... 255: return 4;
    default: return 0;
    }
}
static uint32_t hash(const char *s) {
    uint32_t h = 5381;
    while (*s) h = h * 33 + (unsigned char)*s++;
    return h;
}
static int word(const char *s) {
    switch (hash(s)) {
    case 0x0b88738cu: return 1;
    case 0x7c9c4a41u: return 2;
    case 5381: return 3;
    default: return (int)(hash(s) % 100);
    }
}
static int nested(int a, int b) {
    int r = 0;
    for (int i = 0; i < 6; i++) {
        switch (a + i) {
        case 1:
            switch (b - i) {
            case 0: r += 1; continue;
            case 1: r += 10; break;
            default: r += 100;
            }
            r *= 2;
            break;
        case 2: r -= 3;
        case 3:
            if (b > 2) break;
            return r;
        default: r++;
        }
        r ^= i;
    }
    return r;
}
enum day { MON = 1, TUE, WED, THU = 10, FRI, SAT = -5, SUN };
static const char *name(enum day d) {
    switch (d) {
    case MON: return "mon";
    case TUE: return "tue";
    case WED: return "wed";
    case THU: return "thu";
    case FRI: return "fri";
    case SAT: return "sat";
    case SUN: return "sun";
    }
    return "?";
}
static int by_bool(_Bool b, signed char c) {
    switch (b) {
    case 0: switch (c) { case -128: return 1; case 127: return 2; case -1: return 3; default: return 4; }
    default: return 5;
    }
}
int main(void) {
    for (int i = -2; i < 12; i++) printf("%d ", dense(i));
    static const int64_t v[] = {INT64_MIN, -1000000007, -1, 0, 1, 17, 4294967296, 4294967313, INT64_MAX, 4294967295};
    for (int i = 0; i < 10; i++) printf("%s, ", sparse(v[i]));
    int counts[5] = {0};
    for (int c = 0; c < 256; c++) counts[kind((unsigned char)c)]++;
    printf("\n%d %d %d %d %d\n", counts[0], counts[1], counts[2], counts[3], counts[4]);
    printf("%d %d %d %d\n", word(""), word("a"), word("switch"), word("case"));
    for (int a = -3; a < 4; a++)
        for (int b = 0; b < 6; b += 2) printf("%d ", nested(a, b));
    putchar('\n');
    static const enum day days[] = {MON, TUE, WED, THU, FRI, SAT, SUN};
    for (int i = 0; i < 7; i++) printf("%s=%d ", name(days[i]), days[i]);
    printf("%d %d %d %d %d\n", by_bool(0, -128), by_bool(0, 127), by_bool(0, -1), by_bool(0, 5), by_bool(1, 0));
    return 0;
}
