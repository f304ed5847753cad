// Three by three blur of an image of bytes.
#include "../bench.h"

enum { W = 160, H = 100 };
static uint8_t image[H][W] ALIGNED, blurred[H][W] ALIGNED;

static void setup(void) {
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) image[y][x] = (uint8_t)random_bits();
}

static NOINLINE void blur(uint8_t (*restrict to)[W], uint8_t (*restrict from)[W]) {
    for (int y = 1; y < H - 1; y++)
        for (int x = 1; x < W - 1; x++)
            to[y][x] = (uint8_t)((from[y - 1][x - 1] + 2 * from[y - 1][x] + from[y - 1][x + 1] + 2 * from[y][x - 1] + 4 * from[y][x] +
                                     2 * from[y][x + 1] + from[y + 1][x - 1] + 2 * from[y + 1][x] + from[y + 1][x + 1] + 8) / 16);
}

static NOINLINE uint64_t work(void) {
    for (int i = 0; i < 4; i++) blur(blurred, image);
    return blurred[H / 2][W / 2];
}
