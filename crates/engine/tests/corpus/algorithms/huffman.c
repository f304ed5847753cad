// Huffman codes: tree by two queues, codes by recursion, bits packed and unpacked.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    int weight, symbol;
    struct node *left, *right;
};
static struct node pool[512];
static int used;
static uint32_t code[256];
static int length[256];

static int by_weight(const void *a, const void *b) {
    const struct node *x = a, *y = b;
    return x->weight != y->weight ? x->weight - y->weight : x->symbol - y->symbol;
}
static struct node *build(const char *text) {
    int count[256] = {0};
    for (; *text; text++) count[(unsigned char)*text]++;
    used = 0;
    for (int i = 0; i < 256; i++)
        if (count[i]) pool[used++] = (struct node){count[i], i, 0, 0};
    qsort(pool, (size_t)used, sizeof *pool, by_weight);
    int leaf = 0, leaves = used, inner = used;
    while (leaves - leaf + used - inner > 1) {
        struct node *pick[2];
        for (int i = 0; i < 2; i++)
            pick[i] = leaf < leaves && (inner >= used || pool[leaf].weight <= pool[inner].weight) ? &pool[leaf++] : &pool[inner++];
        pool[used++] = (struct node){pick[0]->weight + pick[1]->weight, -1, pick[0], pick[1]};
    }
    return &pool[used - 1];
}
static void assign(const struct node *n, uint32_t bits, int depth) {
    if (!n->left) {
        code[n->symbol] = bits;
        length[n->symbol] = depth;
        return;
    }
    assign(n->left, bits << 1, depth + 1);
    assign(n->right, bits << 1 | 1, depth + 1);
}
int main(void) {
    const char *text = "she sells sea shells by the sea shore; the shells she sells are surely seashells";
    struct node *root = build(text);
    assign(root, 0, 0);
    uint8_t bits[200] = {0};
    size_t n = 0;
    for (const char *p = text; *p; p++)
        for (int i = length[(unsigned char)*p]; i-- > 0; n++)
            if (code[(unsigned char)*p] >> i & 1) bits[n / 8] |= (uint8_t)(0x80 >> n % 8);
    printf("%zu characters, %zu bits, root %d\n", strlen(text), n, root->weight);
    for (int c = 0; c < 256; c++)
        if (length[c]) printf("%c %d %x\n", c, length[c], code[c]);
    char back[200];
    size_t o = 0;
    for (size_t i = 0; i < n;) {
        const struct node *at = root;
        while (at->left) at = bits[i / 8] & (0x80 >> i % 8) ? at->right : at->left, i++;
        back[o++] = (char)at->symbol;
    }
    back[o] = 0;
    printf("%s\n", back);
    return strcmp(text, back) != 0;
}
