// Binary trees allocated and freed by the hundred, counted, mirrored, and walked without recursion.
#include <stdio.h>
#include <stdlib.h>

struct tree {
    struct tree *left, *right;
};
static long live;
static struct tree *bottom_up(int depth) {
    struct tree *t = malloc(sizeof *t);
    live++;
    *t = depth ? (struct tree){bottom_up(depth - 1), bottom_up(depth - 1)} : (struct tree){0, 0};
    return t;
}
static int check(const struct tree *t) { return t->left ? 1 + check(t->left) + check(t->right) : 1; }
static void drop(struct tree *t) {
    if (!t) return;
    drop(t->left);
    drop(t->right);
    free(t);
    live--;
}
static struct tree *grow(struct tree *t, int skew) {
    if (!t) {
        live++;
        return calloc(1, sizeof *t);
    }
    struct tree **side = skew & 1 ? &t->left : &t->right;
    *side = grow(*side, skew >> 1);
    return t;
}
static void mirror(struct tree *t) {
    if (!t) return;
    struct tree *l = t->left;
    t->left = t->right;
    t->right = l;
    mirror(t->left);
    mirror(t->right);
}
static unsigned shape(const struct tree *root) {
    const struct tree *stack[64];
    int n = 0;
    unsigned h = 1;
    stack[n++] = root;
    while (n) {
        const struct tree *t = stack[--n];
        h = h * 31 + (t->left != 0) * 2u + (t->right != 0);
        if (t->right) stack[n++] = t->right;
        if (t->left) stack[n++] = t->left;
    }
    return h;
}
int main(void) {
    struct tree *keep = bottom_up(8);
    for (int depth = 2; depth <= 8; depth += 2) {
        int rounds = 1 << (8 - depth), sum = 0;
        for (int i = 0; i < rounds; i++) {
            struct tree *t = bottom_up(depth);
            sum += check(t);
            drop(t);
        }
        printf("%d trees of depth %d: %d\n", rounds, depth, sum);
    }
    printf("kept %d, live %ld\n", check(keep), live);
    drop(keep);
    struct tree *odd = 0;
    for (int i = 0; i < 120; i++) odd = grow(odd, i * 37 ^ i >> 2);
    printf("%08x", shape(odd));
    mirror(odd);
    printf(" %08x", shape(odd));
    mirror(odd);
    printf(" %08x\n", shape(odd));
    drop(odd);
    return (int)live;
}
