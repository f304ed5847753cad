// Stencils over grids: heat in two dimensions, blur with borders, Sobel, waves; float, double and bytes.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { W = 37, H = 23 };
static float heat[2][H][W];
static uint8_t image[H][W], blurred[H][W];
static int16_t edges[H][W];
static double wave[3][64];

static void step(int t) {
    for (int y = 1; y < H - 1; y++)
        for (int x = 1; x < W - 1; x++)
            heat[!t][y][x] = heat[t][y][x] + 0.2f * (heat[t][y - 1][x] + heat[t][y + 1][x] + heat[t][y][x - 1] + heat[t][y][x + 1] - 4 * heat[t][y][x]);
}
static void blur(void) {
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            int sum = 0, n = 0;
            for (int j = y - 1; j <= y + 1; j++)
                for (int i = x - 1; i <= x + 1; i++)
                    if (j >= 0 && j < H && i >= 0 && i < W) sum += image[j][i], n++;
            blurred[y][x] = (uint8_t)(sum / n);
        }
}
static void sobel(void) {
    for (int y = 1; y < H - 1; y++)
        for (int x = 1; x < W - 1; x++) {
            int gx = image[y - 1][x + 1] + 2 * image[y][x + 1] + image[y + 1][x + 1] - image[y - 1][x - 1] - 2 * image[y][x - 1] - image[y + 1][x - 1];
            int gy = image[y + 1][x - 1] + 2 * image[y + 1][x] + image[y + 1][x + 1] - image[y - 1][x - 1] - 2 * image[y - 1][x] - image[y - 1][x + 1];
            edges[y][x] = (int16_t)((gx < 0 ? -gx : gx) + (gy < 0 ? -gy : gy));
        }
}
int main(void) {
    for (int x = 0; x < W; x++) heat[0][0][x] = heat[1][0][x] = 100;
    for (int t = 0; t < 40; t++) step(t & 1);
    double sum = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) sum += (double)heat[0][y][x] * (x + 1);
    printf("%.12g %.9g %.9g\n", sum, (double)heat[0][1][W / 2], (double)heat[0][9][5]);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) image[y][x] = (uint8_t)(x * x + y * 11 + (x ^ y) * 3);
    blur();
    sobel();
    uint32_t h = 0, g = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) h = h * 31 + blurred[y][x], g = g * 31 + (uint32_t)edges[y][x];
    printf("%08x %08x\n", h, g);
    wave[0][20] = wave[1][20] = 1;
    for (int t = 0; t < 100; t++) {
        double *before = wave[t % 3], *now = wave[(t + 1) % 3], *next = wave[(t + 2) % 3];
        for (int i = 1; i < 63; i++) next[i] = 2 * now[i] - before[i] + 0.25 * (now[i - 1] - 2 * now[i] + now[i + 1]);
        if (t % 25 == 24) printf("%.15g %.15g\n", next[20], next[50]);
    }
    return 0;
}
