// What language models compute: int8 dot products by blocks with scales, RMS norm, softmax, rotations, arg max.
#include <math.h>
#include <stdint.h>
#include <stdio.h>

enum { DIM = 64, ROWS = 24 };
struct block {
    float scale;
    int8_t q[32];
};
struct nibbles {
    float scale, least;
    uint8_t q[16];
};
static struct block weights[ROWS][DIM / 32];
static struct nibbles packed[ROWS][DIM / 32];
static void quantise(const float *x, struct block *out) {
    for (int b = 0; b < DIM / 32; b++) {
        float most = 0;
        for (int i = 0; i < 32; i++) most = fabsf(x[b * 32 + i]) > most ? fabsf(x[b * 32 + i]) : most;
        out[b].scale = most / 127;
        for (int i = 0; i < 32; i++) out[b].q[i] = (int8_t)(most > 0 ? lrintf(x[b * 32 + i] / out[b].scale) : 0);
    }
}
static float dot(const struct block *a, const struct block *b) {
    float sum = 0;
    for (int k = 0; k < DIM / 32; k++) {
        int32_t s = 0;
        for (int i = 0; i < 32; i++) s += a[k].q[i] * b[k].q[i];
        sum += (float)s * a[k].scale * b[k].scale;
    }
    return sum;
}
static float dot_nibbles(const struct nibbles *a, const struct block *b) {
    float sum = 0;
    for (int k = 0; k < DIM / 32; k++) {
        int32_t s = 0, t = 0;
        for (int i = 0; i < 16; i++) {
            s += (a[k].q[i] & 15) * b[k].q[i] + (a[k].q[i] >> 4) * b[k].q[i + 16];
            t += b[k].q[i] + b[k].q[i + 16];
        }
        sum += b[k].scale * (a[k].scale * (float)s + a[k].least * (float)t);
    }
    return sum;
}
static void rms_norm(float *x, const float *w, int n) {
    float sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * x[i];
    float k = 1 / sqrtf(sum / (float)n + 1e-5f);
    for (int i = 0; i < n; i++) x[i] = w[i] * (x[i] * k);
}
static void rotate(float *x, int n, int position) {
    for (int i = 0; i < n; i += 2) {
        double angle = position * pow(10000, -(double)i / n);
        float c = (float)cos(angle), s = (float)sin(angle), a = x[i], b = x[i + 1];
        x[i] = a * c - b * s;
        x[i + 1] = a * s + b * c;
    }
}
static int softmax(double *x, int n) {
    double most = x[0], sum = 0;
    int best = 0;
    for (int i = 1; i < n; i++)
        if (x[i] > most) most = x[i], best = i;
    for (int i = 0; i < n; i++) sum += x[i] = exp(x[i] - most);
    for (int i = 0; i < n; i++) x[i] /= sum;
    return best;
}
int main(void) {
    float x[DIM], w[DIM];
    struct block q[DIM / 32];
    for (int i = 0; i < DIM; i++) x[i] = (float)((i * 37) % 29 - 14) / 8, w[i] = 1 + (float)(i % 5) / 16;
    for (int r = 0; r < ROWS; r++)
        for (int b = 0; b < DIM / 32; b++) {
            weights[r][b].scale = 0.01f * (float)(r + 1);
            packed[r][b].scale = 0.125f;
            packed[r][b].least = -0.9375f;
            for (int i = 0; i < 32; i++) weights[r][b].q[i] = (int8_t)((r * 31 + b * 17 + i * 7) % 255 - 127);
            for (int i = 0; i < 16; i++) packed[r][b].q[i] = (uint8_t)(r * 13 + i * 29 + b);
        }
    for (int position = 0; position < 5; position++) {
        rms_norm(x, w, DIM);
        rotate(x, DIM, position);
        quantise(x, q);
        double logits[ROWS];
        for (int r = 0; r < ROWS; r++) logits[r] = (double)(dot(weights[r], q) + dot_nibbles(packed[r], q));
        int best = softmax(logits, ROWS);
        printf("%d %.5g %.5g %.5g\n", best, logits[best], logits[0], (double)x[7]);
        for (int i = 0; i < DIM; i++) x[i] += (float)logits[i % ROWS] * (i % 2 ? 1.5f : -0.5f);
    }
    return 0;
}
