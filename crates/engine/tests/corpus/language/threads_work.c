// Threads that run the same functions at once: each climbs the tiers under the others' feet.
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static uint32_t step(uint32_t x) {
    x ^= x << 13;
    x ^= x >> 17;
    return x ^ x << 5;
}
static double relax(double *v, int n) {
    double change = 0;
    for (int i = 1; i < n - 1; i++) {
        double next = (v[i - 1] + v[i + 1]) / 2;
        change += next > v[i] ? next - v[i] : v[i] - next;
        v[i] = next;
    }
    return change;
}
static int compare(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}
struct job {
    uint32_t seed, hash;
    double rest;
    int rounds;
};
static void *work(void *argument) {
    struct job *j = argument;
    uint32_t x = j->seed, v[64];
    double line[20] = {0};
    line[19] = j->seed;
    for (int round = 0; round < j->rounds; round++) {
        for (int i = 0; i < 64; i++) v[i] = x = step(x);
        qsort(v, 64, sizeof *v, compare);
        for (int i = 0; i < 64; i += 5) j->hash = j->hash * 31 + v[i];
        j->rest = relax(line, 20);
    }
    return 0;
}
int main(void) {
    enum { N = 4 };
    struct job jobs[N];
    pthread_t t[N];
    for (int i = 0; i < N; i++) jobs[i] = (struct job){(uint32_t)i * 77 + 1, 0, 0, 30 + i * 5};
    for (int i = 0; i < N; i++)
        if (pthread_create(&t[i], 0, work, &jobs[i])) return 9;
    for (int i = 0; i < N; i++) pthread_join(t[i], 0);
    for (int i = 0; i < N; i++) printf("%08x %.15g\n", jobs[i].hash, jobs[i].rest);
    return 0;
}
