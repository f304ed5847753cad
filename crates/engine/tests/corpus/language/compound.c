// Compound literals, designated initialisers, flexible members, nested anonymous members, arrays of arrays, typeof.
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct point { int x, y; };
struct line { struct point a, b; };
struct item {
    enum { INT, TEXT, PAIR } kind;
    union {
        int i;
        const char *s;
        struct { short x, y; };
    };
    struct { unsigned char r, g, b; } colour;
};
struct buffer {
    size_t n;
    char tail;
    int data[];
};
static int length2(struct line l) { return (l.a.x - l.b.x) * (l.a.x - l.b.x) + (l.a.y - l.b.y) * (l.a.y - l.b.y); }
static int sum(const int *v, int n) { return n ? *v + sum(v + 1, n - 1) : 0; }
static struct point *shift(struct point *p, int k) { return p->x += k, p; }
static void show(const struct item *i) {
    switch (i->kind) {
    case INT: printf("int %d", i->i); break;
    case TEXT: printf("text %s", i->s); break;
    case PAIR: printf("pair %d %d", i->x, i->y); break;
    }
    printf(" #%02x%02x%02x\n", i->colour.r, i->colour.g, i->colour.b);
}
int main(void) {
    printf("%d\n", length2((struct line){{1, 2}, .b = {.y = 6, .x = 4}}));
    printf("%d %d\n", sum((int[]){1, 2, 3, 4, 5}, 5), sum((int[10]){[2] = 7, [9] = 1}, 10));
    struct point *p = shift(&(struct point){10, 20}, 5);
    printf("%d %d\n", p->x, p->y);
    for (int i = 0; i < 3; i++) {
        struct item items[] = {{INT, .i = i}, {TEXT, .s = "hi", .colour = {1, 2, 3}}, {.kind = PAIR, .x = (short)-i, .y = 5, .colour.g = 0xff}};
        show(&items[i]);
        int *q = (int[]){i, i * i, i + 7};
        q[1]++;
        printf("%d ", q[0] + q[1] + q[2]);
    }
    struct buffer *b = malloc(offsetof(struct buffer, data) + 10 * sizeof(int));
    b->n = 10;
    for (size_t i = 0; i < b->n; i++) b->data[i] = (int)(i * i);
    printf("%zu %zu %d\n", sizeof *b, offsetof(struct buffer, data), sum(b->data, (int)b->n));
    free(b);
    int grid[3][4][2] = {[1] = {[2] = {5, 6}, {7}}, {{1}}};
    int (*row)[2] = grid[1], *flat = &grid[0][0][0], total = 0;
    for (int i = 0; i < 24; i++) total = total * 2 + flat[i];
    printf("%d %d %d\n", row[2][1], total, (int)(sizeof grid / sizeof *grid));
    const char *s[] = {[3] = "three", [0] = "zero", "one"};
    for (unsigned i = 0; i < sizeof s / sizeof *s; i++) printf("%s ", s[i] ? s[i] : "-");
    __typeof__(s[0][0]) c = 'q';
    struct point copy = *(&(struct point){3, 4}), other;
    other = copy, other.x = ({ int t = 5; t * t; });
    printf("%c %d %d %zu\n", c, other.x, other.y, strlen((char[]){'a', 'b', 0}));
    return _Generic(c, const char: 1, char: 2, int: 3, default: 4);
}
