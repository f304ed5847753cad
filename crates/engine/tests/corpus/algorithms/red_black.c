// A red-black tree: insertion, deletion, invariants checked on the way.
#include <stdio.h>
#include <stdlib.h>

struct node {
    int key, red;
    struct node *link[2];
};
static int is_red(const struct node *n) { return n && n->red; }
static struct node *single(struct node *n, int d) {
    struct node *s = n->link[!d];
    n->link[!d] = s->link[d];
    s->link[d] = n;
    n->red = 1;
    s->red = 0;
    return s;
}
static struct node *twice(struct node *n, int d) {
    n->link[!d] = single(n->link[!d], !d);
    return single(n, d);
}
static struct node *insert(struct node *n, int key) {
    if (!n) {
        n = malloc(sizeof *n);
        *n = (struct node){key, 1, {0, 0}};
    } else if (key != n->key) {
        int d = n->key < key;
        n->link[d] = insert(n->link[d], key);
        if (is_red(n->link[d])) {
            if (is_red(n->link[!d])) {
                n->red = 1;
                n->link[0]->red = n->link[1]->red = 0;
            } else if (is_red(n->link[d]->link[d]))
                n = single(n, !d);
            else if (is_red(n->link[d]->link[!d]))
                n = twice(n, !d);
        }
    }
    return n;
}
static struct node *balance(struct node *n, int d, int *done) {
    struct node *p = n, *s = n->link[!d];
    if (is_red(s)) {
        n = single(n, d);
        s = p->link[!d];
    }
    if (!s) return n;
    if (!is_red(s->link[0]) && !is_red(s->link[1])) {
        if (is_red(p)) *done = 1;
        p->red = 0;
        s->red = 1;
    } else {
        int red = p->red, new_root = n == p;
        p = is_red(s->link[!d]) ? single(p, d) : twice(p, d);
        p->red = red;
        p->link[0]->red = p->link[1]->red = 0;
        if (new_root) n = p;
        else n->link[d] = p;
        *done = 1;
    }
    return n;
}
static struct node *erase(struct node *n, int key, int *done) {
    if (!n) {
        *done = 1;
        return 0;
    }
    if (n->key == key) {
        if (!n->link[0] || !n->link[1]) {
            struct node *keep = n->link[!n->link[0]];
            if (is_red(n))
                *done = 1;
            else if (is_red(keep))
                keep->red = 0, *done = 1;
            free(n);
            return keep;
        }
        struct node *heir = n->link[0];
        while (heir->link[1]) heir = heir->link[1];
        n->key = key = heir->key;
        n->link[0] = erase(n->link[0], key, done);
        return *done ? n : balance(n, 0, done);
    }
    int d = n->key < key;
    n->link[d] = erase(n->link[d], key, done);
    return *done ? n : balance(n, d, done);
}
static int check(const struct node *n) {
    if (!n) return 1;
    int l = check(n->link[0]), r = check(n->link[1]);
    if (is_red(n) && (is_red(n->link[0]) || is_red(n->link[1]))) printf("red below red at %d\n", n->key);
    if (l != r) printf("black heights %d and %d at %d\n", l, r, n->key);
    return l + !n->red;
}
static int depth(const struct node *n) {
    if (!n) return 0;
    int l = depth(n->link[0]), r = depth(n->link[1]);
    return 1 + (l > r ? l : r);
}
static void walk(const struct node *n, unsigned *h, int *count) {
    if (!n) return;
    walk(n->link[0], h, count);
    *h = *h * 131 + (unsigned)n->key * 2 + (unsigned)n->red;
    ++*count;
    walk(n->link[1], h, count);
}
int main(void) {
    struct node *root = 0;
    for (int i = 0; i < 300; i++) {
        root = insert(root, i * 7919 % 1009);
        root->red = 0;
    }
    for (int round = 0; round < 6; round++) {
        unsigned h = 0;
        int count = 0;
        walk(root, &h, &count);
        printf("%d keys, depth %d, black %d, %08x\n", count, depth(root), check(root), h);
        for (int i = round; i < 300; i += 6) {
            int done = 0;
            root = erase(root, i * 7919 % 1009, &done);
            if (root) root->red = 0;
        }
    }
    printf("empty %d\n", root == 0);
    return 0;
}
