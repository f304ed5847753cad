// Edit distance of two texts by rows.
#include "../bench.h"

enum { N = 240 };
static char a[N + 1], b[N + 1];

static void setup(void) {
    for (int i = 0; i < N; i++) {
        a[i] = (char)('a' + random_bits() % 4);
        b[i] = (char)('a' + random_bits() % 4);
    }
}

static int least(int x, int y) { return x < y ? x : y; }

static NOINLINE int distance(const char *a, int n, const char *b, int m) {
    int row[N + 1];
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            int up = row[j];
            row[j] = least(least(up, row[j - 1]) + 1, corner + (a[i - 1] != b[j - 1]));
            corner = up;
        }
    }
    return row[m];
}

static NOINLINE uint64_t work(void) { return (uint64_t)distance(a, opaque((int)strlen(a)), b, (int)strlen(b)); }
