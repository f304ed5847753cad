// Pixels: alpha blending, saturating brightness, grey, resizing, dithering, palettes, run over odd widths.
#include <stdint.h>
#include <stdio.h>

typedef struct { uint8_t r, g, b, a; } pixel;
static pixel one[41 * 9], two[41 * 9];
static uint8_t grey[41 * 9], small[20 * 4];
static uint32_t hash(const void *p, int n) {
    uint32_t h = 5381;
    for (const uint8_t *b = p; n--; b++) h = h * 33 ^ *b;
    return h;
}
static uint8_t clamp(int x) { return (uint8_t)(x < 0 ? 0 : x > 255 ? 255 : x); }
static void blend(pixel *to, const pixel *from, int n) {
    for (int i = 0; i < n; i++) {
        int a = from[i].a, k = 255 - a;
        to[i].r = (uint8_t)((from[i].r * a + to[i].r * k + 127) / 255);
        to[i].g = (uint8_t)((from[i].g * a + to[i].g * k + 127) / 255);
        to[i].b = (uint8_t)((from[i].b * a + to[i].b * k + 127) / 255);
        to[i].a = (uint8_t)(a + to[i].a * k / 255);
    }
}
static void brighten(uint8_t *p, int n, int by) {
    for (int i = 0; i < n; i++) p[i] = clamp(p[i] * 5 / 4 + by);
}
static void to_grey(const pixel *p, uint8_t *out, int n) {
    for (int i = 0; i < n; i++) out[i] = (uint8_t)((p[i].r * 77 + p[i].g * 150 + p[i].b * 29) >> 8);
}
static void halve(const uint8_t *in, int w, int h, uint8_t *out) {
    for (int y = 0; y + 1 < h; y += 2)
        for (int x = 0; x + 1 < w; x += 2) *out++ = (uint8_t)((in[y * w + x] + in[y * w + x + 1] + in[(y + 1) * w + x] + in[(y + 1) * w + x + 1] + 2) / 4);
}
static void dither(const uint8_t *in, int w, int h) {
    int error[64] = {0};
    for (int y = 0; y < h; y++) {
        int right = 0;
        for (int x = 0; x < w; x++) {
            int v = in[y * w + x] + right + error[x], bit = v > 127;
            int e = v - bit * 255;
            right = e * 7 / 16;
            error[x] = e * 5 / 16 + (x ? 0 : e / 16);
            if (y % 3 == 0) putchar(bit ? '#' : '.');
        }
        if (y % 3 == 0) putchar('\n');
    }
}
static uint16_t rgb565(pixel p) { return (uint16_t)((p.r >> 3) << 11 | (p.g >> 2) << 5 | p.b >> 3); }
int main(void) {
    for (int i = 0; i < 41 * 9; i++) {
        one[i] = (pixel){(uint8_t)(i * 3), (uint8_t)(i * i), (uint8_t)(255 - i), (uint8_t)(i * 17)};
        two[i] = (pixel){(uint8_t)(i ^ 85), (uint8_t)(i * 7), (uint8_t)(i / 2), 255};
    }
    for (int n = 1; n < 41 * 9; n = n * 2 + 3) {
        blend(two, one, n);
        printf("%08x ", hash(two, sizeof two));
    }
    brighten(&two[3].r, 333, -20);
    to_grey(two, grey, 41 * 9);
    halve(grey, 41, 9, small);
    printf("\n%08x %08x %08x\n", hash(two, sizeof two), hash(grey, sizeof grey), hash(small, sizeof small));
    dither(grey, 41, 9);
    uint32_t h = 0;
    for (int i = 0; i < 41 * 9; i++) h = h * 65599 + rgb565(two[i]);
    printf("%08x\n", h);
    return 0;
}
