/* A matrix product that climbs the tiers before your eyes: interpreter, O0, O1, O2, O3.
 *
 *   ./x bareflow build examples/matmul.c --store 0 -o matmul.img
 *   ./x bareflow run matmul.img
 *
 * Nothing is asked of the engine: it counts calls and rounds of loops, and compiles what is hot while this program runs. With
 * --store 0 it forgets that at the end; otherwise the next run begins where this one got.
 */
#include <jit_runtime.h>
#include <runtime.h>
#include <stdio.h>

enum { N = 48 };

static float a[N * N], b[N * N], c[N * N];

/* One row of C = A B, all n x n. Called with one n only, so O3 makes a variant for that n, with constant loops. */
void multiply_row(float *restrict to, const float *restrict row, const float *restrict by, int n) {
    for (int j = 0; j < n; j++)
        to[j] = 0;
    for (int k = 0; k < n; k++)
        for (int j = 0; j < n; j++)
            to[j] += row[k] * by[k * n + j];
}

static void multiply(void) {
    for (int i = 0; i < N; i++)
        multiply_row(c + i * N, a + i * N, b, N);
}

/* A[i][k] = i + k, B = 2 I: so C = 2 A, exactly. */
static void prepare(void) {
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            a[i * N + k] = (float)(i + k);
            b[i * N + k] = i == k ? 2 : 0;
        }
}

static int is_right(void) {
    for (int i = 0; i < N * N; i++)
        if (c[i] != 2 * a[i])
            return 0;
    return 1;
}

int main(void) {
    static const char *const levels[] = {"interpreted", "O0", "O1", "O2", "O3"};
    prepare();
    printf("%d x %d float matrix product on %u processor(s)\n", N, N, cpu_count());
    printf("%8s %10s  %s\n", "products", "GFLOP/s", "level");
    uint64_t done = 0, until = 1;
    int level = JIT_INTERPRETED, lines_at_top = 0;
    /* A line for each doubling, each level that is reached, and each third of a second, until O3 was seen in three lines. */
    while (lines_at_top < 3) {
        uint64_t line = time_ns(), now = line, fastest = UINT64_MAX; /* of its products, in nanoseconds */
        int reached = level;
        while (done < until && reached == level && now - line < 333333333) {
            uint64_t start = now;
            multiply();
            now = time_ns();
            fastest = now - start < fastest ? now - start : fastest;
            done++;
            reached = jit_get_optimization_level("multiply_row");
        }
        printf("%8llu %10.3f  %s\n", (unsigned long long)done, 2.0 * N * N * N / (double)(fastest + 1),
               level < JIT_INTERPRETED ? "?" : levels[level + 1]);
        if (!is_right()) {
            puts("the product is wrong");
            return 1;
        }
        lines_at_top += level == 3;
        level = reached;
        while (until <= done)
            until *= 2;
    }
    return 0;
}
