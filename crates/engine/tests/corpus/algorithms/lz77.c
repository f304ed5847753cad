// LZ77 with a hash of the last positions: compress, decompress with overlapping copies, compare.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static size_t compress(const uint8_t *in, size_t n, uint8_t *out) {
    static int last[1024];
    for (int i = 0; i < 1024; i++) last[i] = -1;
    size_t o = 0, i = 0;
    while (i < n) {
        size_t best = 0, distance = 0;
        if (i + 3 <= n) {
            unsigned h = (in[i] * 131u + in[i + 1] * 31u + in[i + 2]) & 1023;
            int p = last[h];
            if (p >= 0 && i - (size_t)p < 4096) {
                while (best < 66 && i + best < n && in[(size_t)p + best] == in[i + best]) best++;
                distance = i - (size_t)p;
            }
            last[h] = (int)i;
        }
        if (best >= 3) {
            out[o++] = (uint8_t)(0x80 | (best - 3));
            out[o++] = (uint8_t)(distance >> 8);
            out[o++] = (uint8_t)distance;
            i += best;
        } else {
            size_t start = o++;
            uint8_t count = 0;
            while (i < n && count < 8) out[o++] = in[i++], count++;
            out[start] = count;
        }
    }
    return o;
}
static size_t expand(const uint8_t *in, size_t n, uint8_t *out) {
    size_t o = 0;
    for (size_t i = 0; i < n;) {
        uint8_t c = in[i++];
        if (c & 0x80) {
            size_t length = (size_t)(c & 0x7F) + 3, distance = (size_t)in[i] << 8 | in[i + 1];
            i += 2;
            for (; length--; o++) out[o] = out[o - distance];
        } else
            while (c--) out[o++] = in[i++];
    }
    return o;
}
int main(void) {
    static uint8_t text[3000], packed[6000], back[6000];
    const char *words[] = {"bare ", "metal ", "engine ", "tier ", "loop ", "heat, ", "and so on. "};
    for (int kind = 0; kind < 4; kind++) {
        size_t n = 0;
        unsigned s = 5;
        while (n < 2900) {
            s = s * 69069u + 1;
            if (kind == 0)
                text[n++] = 'x';
            else if (kind == 1)
                text[n++] = (uint8_t)(s >> 24);
            else if (kind == 2) {
                const char *w = words[(s >> 20) % 7];
                memcpy(text + n, w, strlen(w));
                n += strlen(w);
            } else
                text[n] = (uint8_t)(n * n >> 5), n++;
        }
        size_t p = compress(text, n, packed), b = expand(packed, p, back);
        unsigned h = 0;
        for (size_t i = 0; i < p; i++) h = h * 65599 + packed[i];
        printf("kind %d: %zu -> %zu -> %zu, same %d, hash %08x\n", kind, n, p, b, b == n && !memcmp(text, back, n), h);
    }
    return 0;
}
