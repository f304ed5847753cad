// Pointer arithmetic, comparisons, casts through integers, arrays of arrays, strides, negative indices, const casts.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct record {
    char tag;
    int value;
    short list[3];
    struct record *link;
};
static struct record *container(short *p, int i) { return (struct record *)((char *)(p - i) - offsetof(struct record, list)); }
static int stride(const void *base, size_t n, size_t step, size_t offset) {
    int s = 0;
    for (const char *p = (const char *)base + offset; n--; p += step) {
        int v;
        memcpy(&v, p, sizeof v);
        s += v;
    }
    return s;
}
static int *find(int *from, int *to, int x) {
    while (from != to && *from != x) from++;
    return from;
}
static void rotate(int **p, int ***q) {
    int *t = **q;
    **q = *p;
    *p = t;
}
static uintptr_t tag(void *p, unsigned bits) { return (uintptr_t)p | bits; }
static char *skip(char **p) { return (*p)++; }
int main(void) {
    int v[10];
    for (int i = 0; i < 10; i++) v[i] = i * i;
    int *p = v + 3, *e = &v[10];
    printf("%d %d %d %td %d\n", p[-2], *(p + 2), 4 [v], e - p, e > p);
    printf("%td %td\n", find(v, e, 49) - v, find(v, e, 50) - v);
    int m[4][5], (*row)[5] = m + 1, *flat = *m;
    for (int i = 0; i < 20; i++) flat[i] = i * 3;
    printf("%d %d %d %td\n", (*row)[2], (*row)[4], *(*(m + 2) + 4), &m[3][2] - &m[1][4]);
    struct record r[3] = {{'a', 1, {1, 2, 3}, 0}, {'b', 20, {4, 5, 6}, 0}, {'c', 300, {7, 8, 9}, 0}};
    r[0].link = &r[2], r[2].link = &r[1];
    printf("%c %d %d\n", container(&r[1].list[2], 2)->tag, r->link->link->value, stride(r, 3, sizeof *r, offsetof(struct record, value)));
    int a = 1, b = 2, *pa = &a, *pb = &b, **ppb = &pb;
    rotate(&pa, &ppb);
    printf("%d %d %d\n", *pa, *pb, **ppb);
    uintptr_t t = tag(&r[2], 1);
    printf("%d %c %d\n", (int)(t & 7), ((struct record *)(t & ~(uintptr_t)7))->tag, (uintptr_t)&r[1] - (uintptr_t)&r[0] == sizeof *r);
    char text[] = "walking", *w = text;
    while (*w) {
        char *c = skip(&w);
        if ((w - text) % 2) *c = (char)(*c - 32);
    }
    printf("%s %zu\n", text, (size_t)(w - text));
    const int fixed[3] = {7, 8, 9};
    const int *cp = fixed;
    int sum = 0;
    do sum = sum * 10 + *cp++;
    while (cp < fixed + 3);
    void *any = v;
    int64_t big = *(int *)any + ((int *)any)[9];
    float f = 1.0f;
    uint32_t u;
    memcpy(&u, &f, 4);
    printf("%d %lld %x %d\n", sum, (long long)big, u, *((unsigned char *)&u + 3));
    int *null = 0, *empty[4] = {v, 0, v + 1};
    int count = !null;
    for (int **q = empty; q < empty + 4; q++) count += *q ? **q + 10 : 100;
    printf("%d %d\n", count, (int)sizeof(empty));
    return 0;
}
