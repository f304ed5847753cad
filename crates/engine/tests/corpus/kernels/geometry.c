// Geometry: convex hull, point in polygon, closest pair, line clipping, rotations, areas, Bezier curves, quaternions.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct { double x, y; } point;
typedef struct { float w, x, y, z; } quaternion;
static double cross(point o, point a, point b) { return (a.x - o.x) * (b.y - o.y) - (a.y - o.y) * (b.x - o.x); }
static int by_x(const void *a, const void *b) {
    const point *p = a, *q = b;
    return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->y > q->y) - (p->y < q->y);
}
static int hull(point *v, int n, point *out) {
    int k = 0;
    qsort(v, (size_t)n, sizeof *v, by_x);
    for (int i = 0; i < n; i++) {
        while (k > 1 && cross(out[k - 2], out[k - 1], v[i]) <= 0) k--;
        out[k++] = v[i];
    }
    for (int i = n - 2, low = k + 1; i >= 0; i--) {
        while (k >= low && cross(out[k - 2], out[k - 1], v[i]) <= 0) k--;
        out[k++] = v[i];
    }
    return k - 1;
}
static double area(const point *v, int n) {
    double s = 0;
    for (int i = 0; i < n; i++) s += v[i].x * v[(i + 1) % n].y - v[i].y * v[(i + 1) % n].x;
    return s / 2;
}
static int inside(const point *v, int n, point p) {
    int in = 0;
    for (int i = 0, j = n - 1; i < n; j = i++)
        if ((v[i].y > p.y) != (v[j].y > p.y) && p.x < (v[j].x - v[i].x) * (p.y - v[i].y) / (v[j].y - v[i].y) + v[i].x) in = !in;
    return in;
}
static double closest(const point *v, int n) {
    if (n <= 3) {
        double d = 1e18;
        for (int i = 0; i < n; i++)
            for (int j = i + 1; j < n; j++) d = fmin(d, hypot(v[i].x - v[j].x, v[i].y - v[j].y));
        return d;
    }
    double d = fmin(closest(v, n / 2), closest(v + n / 2, n - n / 2)), middle = v[n / 2].x;
    for (int i = 0; i < n; i++)
        for (int j = i + 1; j < n && v[j].x - v[i].x < d; j++)
            if (fabs(v[i].x - middle) < d) d = fmin(d, hypot(v[i].x - v[j].x, v[i].y - v[j].y));
    return d;
}
static int clip(double *x0, double *y0, double *x1, double *y1) {
    double t0 = 0, t1 = 1, dx = *x1 - *x0, dy = *y1 - *y0;
    const double p[] = {-dx, dx, -dy, dy}, q[] = {*x0, 10 - *x0, *y0, 10 - *y0};
    for (int i = 0; i < 4; i++) {
        if (p[i] == 0) {
            if (q[i] < 0) return 0;
            continue;
        }
        double r = q[i] / p[i];
        if (p[i] < 0 ? r > t1 : r < t0) return 0;
        if (p[i] < 0 && r > t0) t0 = r;
        if (p[i] > 0 && r < t1) t1 = r;
    }
    *x1 = *x0 + t1 * dx, *y1 = *y0 + t1 * dy, *x0 += t0 * dx, *y0 += t0 * dy;
    return 1;
}
static quaternion times(quaternion a, quaternion b) {
    return (quaternion){a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z, a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y,
                        a.w * b.y - a.x * b.z + a.y * b.w + a.z * b.x, a.w * b.z + a.x * b.y - a.y * b.x + a.z * b.w};
}
static point bezier(const point *c, int n, double t) {
    point p[8];
    for (int i = 0; i < n; i++) p[i] = c[i];
    for (int k = n - 1; k > 0; k--)
        for (int i = 0; i < k; i++) p[i] = (point){p[i].x + t * (p[i + 1].x - p[i].x), p[i].y + t * (p[i + 1].y - p[i].y)};
    return p[0];
}
int main(void) {
    point v[60], h[61];
    for (int i = 0; i < 60; i++) v[i] = (point){(i * 37 % 61) + (i % 7) / 8.0, (i * i * 11 % 53) - (i % 5) / 4.0};
    int n = hull(v, 60, h);
    printf("%d corners, area %.6f, closest %.9f\n", n, area(h, n), closest(v, 60));
    int in = 0;
    for (int y = -2; y < 55; y += 3)
        for (int x = -2; x < 64; x += 3) in += inside(h, n, (point){x + 0.5, y + 0.25});
    printf("%d inside\n", in);
    for (int i = 0; i < 6; i++) {
        double x0 = i * 3 - 5, y0 = -2 + i, x1 = 14 - i * i, y1 = 6 + i * 2;
        if (clip(&x0, &y0, &x1, &y1)) printf("%.6f %.6f %.6f %.6f; ", x0, y0, x1, y1);
    }
    quaternion q = {0.8f, 0.36f, 0.48f, 0}, p = {0, 1, 2, 3}, c = {0.8f, -0.36f, -0.48f, 0};
    for (int i = 0; i < 20; i++) p = times(times(q, p), c);
    printf("\n%.4f %.4f %.4f\n", (double)p.x, (double)p.y, (double)p.z);
    for (int i = 0; i <= 4; i++) {
        point b = bezier(v, 3 + i, i / 4.0);
        printf("%.9g %.9g ", b.x, b.y);
    }
    putchar('\n');
    return 0;
}
