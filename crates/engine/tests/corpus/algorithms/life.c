// Game of life on a torus, cellular automata by rule number, Langton's ant.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { W = 24, H = 12 };
static uint8_t grid[2][H][W];
static int step(int from) {
    int alive = 0;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            int n = 0;
            for (int dy = -1; dy <= 1; dy++)
                for (int dx = -1; dx <= 1; dx++)
                    if (dx || dy) n += grid[from][(y + dy + H) % H][(x + dx + W) % W];
            alive += grid[!from][y][x] = n == 3 || (n == 2 && grid[from][y][x]);
        }
    return alive;
}
static uint64_t rule(uint64_t row, int number) {
    uint64_t next = 0;
    for (int i = 0; i < 64; i++) {
        unsigned near = (unsigned)((row >> ((i + 1) & 63) & 1) << 2 | (row >> i & 1) << 1 | (row >> ((i + 63) & 63) & 1));
        next |= (uint64_t)(number >> near & 1) << i;
    }
    return next;
}
int main(void) {
    static const char *const start[] = {".#......", "..#.....", "###.....", "........", ".....##.", ".....##.", "...###.."};
    for (int y = 0; y < 7; y++)
        for (int x = 0; x < 8; x++) grid[0][y + 1][x + 3] = start[y][x] == '#';
    for (int t = 0; t < 24; t++) {
        int alive = step(t & 1);
        if (t % 6 == 5) printf("%d:%d ", t, alive);
    }
    putchar('\n');
    for (int y = 0; y < H; y++) {
        for (int x = 0; x < W; x++) putchar(".#"[grid[0][y][x]]);
        putchar('\n');
    }
    static const int rules[] = {30, 90, 110, 184};
    for (int r = 0; r < 4; r++) {
        uint64_t row = rules[r] == 184 ? 0x5A3C96F00FF0A5C3u : 1ull << 32;
        for (int t = 0; t < 30; t++) row = rule(row, rules[r]);
        printf("%3d %016llx\n", rules[r], (unsigned long long)row);
    }
    uint8_t field[32][32];
    memset(field, 0, sizeof field);
    int x = 16, y = 16, d = 0;
    static const int dx[] = {0, 1, 0, -1}, dy[] = {-1, 0, 1, 0};
    for (int i = 0; i < 3000; i++) {
        d = (d + (field[y][x] ? 3 : 1)) & 3;
        field[y][x] ^= 1;
        x = (x + dx[d]) & 31;
        y = (y + dy[d]) & 31;
    }
    int black = 0;
    for (int i = 0; i < 1024; i++) black += field[i / 32][i % 32];
    printf("%d %d %d\n", x, y, black);
    return 0;
}
