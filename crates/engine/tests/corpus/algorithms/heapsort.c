// Heapsort of doubles, and a priority queue built on the same sift.
#include <stdio.h>

static void sift(double *v, int root, int n) {
    double x = v[root];
    for (int child; (child = 2 * root + 1) < n; root = child) {
        if (child + 1 < n && v[child + 1] > v[child]) child++;
        if (v[child] <= x) break;
        v[root] = v[child];
    }
    v[root] = x;
}
static void heapsort_(double *v, int n) {
    for (int i = n / 2; i-- > 0;) sift(v, i, n);
    while (n > 1) {
        double t = v[0];
        v[0] = v[--n];
        v[n] = t;
        sift(v, 0, n);
    }
}
static int push(double *heap, int n, double x) {
    int i = n;
    for (; i > 0 && heap[(i - 1) / 2] < x; i = (i - 1) / 2) heap[i] = heap[(i - 1) / 2];
    heap[i] = x;
    return n + 1;
}
int main(void) {
    double v[800], heap[100];
    unsigned s = 7;
    for (int i = 0; i < 800; i++) {
        s = s * 1103515245u + 12345u;
        v[i] = (double)(s >> 4) / 1048576.0 - 100;
    }
    heapsort_(v, 800);
    double sum = 0;
    for (int i = 0; i < 800; i++) sum += v[i] * (i + 1);
    for (int i = 0; i < 800; i += 97) printf("%.17g\n", v[i]);
    printf("%.17g\n", sum);
    int n = 0;
    for (int i = 0; i < 100; i++) n = push(heap, n, v[(i * 37) % 800]);
    double last = 1e300;
    int ordered = 1;
    while (n) {
        double top = heap[0];
        if (top > last) ordered = 0;
        last = top;
        heap[0] = heap[--n];
        sift(heap, 0, n);
        if (n % 20 == 0) printf("top %.6f\n", top);
    }
    printf("ordered %d\n", ordered);
    return 0;
}
