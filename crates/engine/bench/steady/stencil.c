// Five-point stencil over a plane of floats.
#include "../bench.h"

enum { W = 128, H = 64 };
static float plane[2][H][W] ALIGNED;

static void setup(void) {
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) plane[0][y][x] = plane[1][y][x] = (float)(random_bits() % 256);
}

static NOINLINE void step(float (*to)[W], float (*from)[W]) {
    for (int y = 1; y < H - 1; y++)
        for (int x = 1; x < W - 1; x++)
            to[y][x] = 0.2f * (from[y][x] + from[y][x - 1] + from[y][x + 1] + from[y - 1][x] + from[y + 1][x]);
}

static NOINLINE uint64_t work(void) {
    for (int i = 0; i < 8; i++) step(plane[~i & 1], plane[i & 1]);
    return bits_of(plane[0][H / 2][W / 2]);
}
