// Merge sort of records, top-down and bottom-up, stable: equal keys keep their order.
#include <stdio.h>
#include <string.h>

struct record {
    short key;
    char tag;
    int serial;
};
static struct record buffer[512];

static void merge(struct record *v, int mid, int n) {
    int i = 0, j = mid, k = 0;
    while (i < mid && j < n) buffer[k++] = v[j].key < v[i].key ? v[j++] : v[i++];
    while (i < mid) buffer[k++] = v[i++];
    while (j < n) buffer[k++] = v[j++];
    memcpy(v, buffer, (size_t)n * sizeof *v);
}
static void down(struct record *v, int n) {
    if (n < 2) return;
    down(v, n / 2);
    down(v + n / 2, n - n / 2);
    merge(v, n / 2, n);
}
static void up(struct record *v, int n) {
    for (int width = 1; width < n; width *= 2)
        for (int i = 0; i + width < n; i += 2 * width) merge(v + i, width, n - i < 2 * width ? n - i : 2 * width);
}
static int report(const struct record *v, int n) {
    int bad = 0;
    unsigned h = 5381;
    for (int i = 0; i < n; i++) {
        h = h * 33 ^ (unsigned)v[i].serial;
        if (i && (v[i - 1].key > v[i].key || (v[i - 1].key == v[i].key && v[i - 1].serial > v[i].serial))) bad++;
    }
    printf("%d records, %d out of order, hash %08x, ends %d%c %d%c\n", n, bad, h, v[0].key, v[0].tag, v[n - 1].key,
           v[n - 1].tag);
    return bad;
}
int main(void) {
    struct record a[512], b[512];
    unsigned s = 99;
    for (int i = 0; i < 512; i++) {
        s ^= s << 13;
        s ^= s >> 17;
        s ^= s << 5;
        a[i] = (struct record){(short)(s % 61) - 30, (char)('a' + s % 26), i};
    }
    memcpy(b, a, sizeof a);
    down(a, 512);
    up(b, 501);
    return report(a, 512) + report(b, 501);
}
