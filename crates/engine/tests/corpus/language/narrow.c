// Arithmetic of narrow types: promotion, wrap-around, sign and zero extension, compound assignment.
#include <stdint.h>
#include <stdio.h>

static int8_t i8(int8_t a, int8_t b, int k) {
    switch (k) {
    case 0: return (int8_t)(a + b);
    case 1: return (int8_t)(a - b);
    case 2: return (int8_t)(a * b);
    case 3: return b ? (int8_t)(a / b) : 0;
    case 4: return b ? (int8_t)(a % b) : 0;
    case 5: return (int8_t)((uint8_t)a << (b & 7));
    case 6: return (int8_t)(a >> (b & 7));
    case 7: return (int8_t)~(a ^ b);
    default: return a < b;
    }
}
static uint8_t u8(uint8_t a, uint8_t b, int k) {
    switch (k) {
    case 0: a += b; break;
    case 1: a -= b; break;
    case 2: a *= b; break;
    case 3: if (b) a /= b; break;
    case 4: if (b) a %= b; break;
    case 5: a <<= b & 7; break;
    case 6: a >>= b & 7; break;
    case 7: a ^= (uint8_t)~b; break;
    default: a = a < b; break;
    }
    return a;
}
static int16_t i16(int16_t a, int16_t b, int k) {
    switch (k) {
    case 0: a += b; break;
    case 1: a -= b; break;
    case 2: a *= b; break;
    case 3: if (b) a /= b; break;
    case 4: if (b) a %= b; break;
    case 5: a = (int16_t)((uint16_t)a << (b & 15)); break;
    case 6: a >>= b & 15; break;
    case 7: a |= b; break;
    default: a = (int16_t)-(a > b);
    }
    return a;
}
static uint16_t u16(uint16_t a, uint16_t b, int k) {
    static uint16_t (*const none)(void) = 0;
    (void)none;
    switch (k) {
    case 0: return (uint16_t)(a + b);
    case 1: return (uint16_t)(a - b);
    case 2: return (uint16_t)((unsigned)a * b);
    case 3: return b ? a / b : a;
    case 4: return b ? a % b : a;
    case 5: return (uint16_t)(a << (b & 15));
    case 6: return (uint16_t)(a >> (b & 15));
    case 7: return a & b;
    default: return a >= b;
    }
}
int main(void) {
    static const int samples[] = {0, 1, -1, 2, 7, 100, 127, 128, -128, -129, 255, 256, 1000, 32767, -32768, 65535, 40000};
    enum { N = sizeof samples / sizeof *samples };
    for (int k = 0; k < 9; k++) {
        uint32_t a = 0, b = 0, c = 0, d = 0;
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                a = a * 31 + (uint32_t)i8((int8_t)samples[i], (int8_t)samples[j], k);
                b = b * 31 + u8((uint8_t)samples[i], (uint8_t)samples[j], k);
                c = c * 31 + (uint32_t)i16((int16_t)samples[i], (int16_t)samples[j], k);
                d = d * 31 + u16((uint16_t)samples[i], (uint16_t)samples[j], k);
            }
        printf("%d: %08x %08x %08x %08x\n", k, a, b, c, d);
    }
    int8_t s = 127;
    uint8_t u = 255;
    s++, u++;
    printf("%d %u ", s, u);
    s--, u--;
    printf("%d %u %d %d\n", s, u, -u, ~u);
    int16_t h = -1;
    uint32_t w = (uint32_t)h;
    uint64_t q = (uint64_t)(uint16_t)h, r = (uint64_t)h;
    printf("%x %llx %llx %d\n", w, (unsigned long long)q, (unsigned long long)r, (uint8_t)h == 255);
    printf("%d %d %d\n", (int8_t)200 < (uint8_t)200, -1 < 1u, (int16_t)0x8000 == -32768);
    _Bool t = 5, f = 0.0, n = 0.1, m = (_Bool)256;
    printf("%d %d %d %d %d\n", t, f, n, m, t + t);
    t += 3, f--;
    printf("%d %d\n", t, f);
    return 0;
}
