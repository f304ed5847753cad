// Loops inside recursion: the same header entered at many depths, with its own live values at each.
#include <stdint.h>
#include <stdio.h>

static uint64_t h = 1;
static int depth_sum(int depth, int width, double scale) {
    int sum = 0, local[4] = {depth, width, 1, 0};
    for (int i = 0; i < width; i++) {
        double before = scale;
        if (depth > 0) sum += depth_sum(depth - 1, width - i % 2, scale * 0.5 + i);
        local[i & 3] += sum;
        h = h * 31 + (uint64_t)(int64_t)(scale * 16) + (uint64_t)i;
        if (before != scale) return -1;
        sum += i + depth;
    }
    return sum + local[0] - local[3];
}
static void subsets(const int *v, int n, int target, int *chosen, int k, int *count) {
    if (target == 0) {
        ++*count;
        for (int i = 0; i < k; i++) h = h * 7 + (uint64_t)chosen[i];
        return;
    }
    for (int i = 0; i < n; i++) {
        if (v[i] > target) break;
        chosen[k] = v[i];
        subsets(v + i + 1, n - i - 1, target - v[i], chosen, k + 1, count);
    }
}
static int partitions(int n, int most) {
    int count = n == 0;
    for (int part = most < n ? most : n; part > 0; part--) count += partitions(n - part, part);
    return count;
}
static float divide(const float *v, int n) {
    if (n <= 3) {
        float p = 1;
        for (int i = 0; i < n; i++) p *= v[i];
        return p;
    }
    float total = 0;
    for (int parts = 2; parts <= 3; parts++)
        for (int i = 0; i < parts; i++) total += divide(v + n * i / parts, n * (i + 1) / parts - n * i / parts) / (float)parts;
    return total;
}
int main(void) {
    printf("%d\n", depth_sum(4, 5, 1.0));
    printf("%016llx\n", (unsigned long long)h);
    int v[14], chosen[14], count = 0;
    for (int i = 0; i < 14; i++) v[i] = 1 + i * 2;
    for (int t = 10; t < 60; t += 10) {
        subsets(v, 14, t, chosen, 0, &count);
        printf("%d ", count);
    }
    for (int n = 5; n <= 20; n += 5) printf("%d ", partitions(n, n));
    float f[27];
    for (int i = 0; i < 27; i++) f[i] = 1 + (float)(i % 5) / 10;
    printf("\n%.9g %016llx\n", (double)divide(f, 27), (unsigned long long)h);
    return 0;
}
