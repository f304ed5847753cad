// Sudoku by bit masks, the cell with the fewest choices first.
#include <stdio.h>

static unsigned short rows[9], columns[9], boxes[9];
static char board[82];
static long guesses;

static unsigned choices(int cell) {
    int r = cell / 9, c = cell % 9;
    return 0x1FFu & ~(unsigned)(rows[r] | columns[c] | boxes[r / 3 * 3 + c / 3]);
}
static void toggle(int cell, unsigned bit) {
    int r = cell / 9, c = cell % 9;
    rows[r] ^= (unsigned short)bit;
    columns[c] ^= (unsigned short)bit;
    boxes[r / 3 * 3 + c / 3] ^= (unsigned short)bit;
}
static int solve(void) {
    int best = -1, least = 10;
    for (int i = 0; i < 81 && least > 1; i++) {
        if (board[i] != '.') continue;
        int n = __builtin_popcount(choices(i));
        if (n < least) least = n, best = i;
    }
    if (best < 0) return 1;
    for (unsigned c = choices(best); c; c &= c - 1) {
        unsigned bit = c & -c;
        guesses++;
        board[best] = (char)('1' + __builtin_ctz(bit));
        toggle(best, bit);
        if (solve()) return 1;
        toggle(best, bit);
    }
    board[best] = '.';
    return 0;
}
int main(void) {
    static const char *const puzzles[] = {
        "53..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..79",
        "..9748...7.........2.1.9.....7...24..64.1.59..98...3.....8.3.2.........6...2759..",
        "55..7....6..195....98....6.8...6...34..8.3..17...2...6.6....28....419..5....8..7.",
    };
    for (int p = 0; p < 3; p++) {
        guesses = 0;
        for (int i = 0; i < 9; i++) rows[i] = columns[i] = boxes[i] = 0;
        int wrong = 0;
        for (int i = 0; i < 81; i++) {
            board[i] = puzzles[p][i];
            if (board[i] == '.') continue;
            unsigned bit = 1u << (board[i] - '1');
            if (!(choices(i) & bit)) wrong++;
            else toggle(i, bit);
        }
        if (wrong) {
            printf("%d contradictions\n", wrong);
            continue;
        }
        printf("solved %d, %ld guesses\n", solve(), guesses);
        for (int i = 0; i < 9; i++) printf("%.9s\n", board + 9 * i);
    }
    return 0;
}
