// Allocators: an arena with alignment, a free list, a buddy system; addresses as offsets.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static _Alignas(64) unsigned char memory[4096];
static size_t top;
static void *arena(size_t size, size_t align) {
    size_t at = (top + align - 1) & ~(align - 1);
    if (at + size > sizeof memory) return NULL;
    top = at + size;
    return memory + at;
}
static long offset(const void *p) { return p ? (long)((const unsigned char *)p - memory) : -1; }

struct block {
    size_t size;
    struct block *next;
};
static struct block *free_list;
static void *take(size_t n) {
    n = (n + 31) & ~(size_t)15;
    for (struct block **p = &free_list; *p; p = &(*p)->next)
        if ((*p)->size >= n) {
            struct block *b = *p;
            if (b->size - n >= 32) {
                struct block *rest = (struct block *)((unsigned char *)b + n);
                *rest = (struct block){b->size - n, b->next};
                *p = rest;
                b->size = n;
            } else
                *p = b->next;
            return b + 1;
        }
    return NULL;
}
static void give(void *v) {
    struct block *b = (struct block *)v - 1, **p = &free_list;
    while (*p && *p < b) p = &(*p)->next;
    b->next = *p;
    *p = b;
    for (struct block *q = free_list; q && q->next;)
        if ((unsigned char *)q + q->size == (unsigned char *)q->next) {
            q->size += q->next->size;
            q->next = q->next->next;
        } else
            q = q->next;
}
static uint64_t buddies[7];
static int buddy_take(int order) {
    int o = order;
    while (o < 7 && !buddies[o]) o++;
    if (o == 7) return -1;
    int at = __builtin_ctzll(buddies[o]);
    buddies[o] &= buddies[o] - 1;
    while (o > order) {
        o--;
        at *= 2;
        buddies[o] |= 1ull << (at + 1);
    }
    return at << order;
}
static void buddy_give(int at, int order) {
    at >>= order;
    while (order < 6 && (buddies[order] >> (at ^ 1) & 1)) {
        buddies[order] &= ~(1ull << (at ^ 1));
        at >>= 1;
        order++;
    }
    buddies[order] |= 1ull << at;
}
int main(void) {
    for (size_t i = 1; i < 200; i = i * 3 / 2 + 1) printf("%ld ", offset(arena(i, (size_t)1 << i % 7)));
    printf("| %ld %zu\n", offset(arena(5000, 1)), top);
    top = 0;
    memset(memory, 0, sizeof memory);
    free_list = (struct block *)memory;
    *free_list = (struct block){2048, 0};
    void *held[16];
    for (int i = 0; i < 16; i++) held[i] = take((size_t)(i * 23 % 120)), printf("%ld ", offset(held[i]));
    putchar('\n');
    for (int i = 0; i < 16; i += 2) give(held[i]);
    for (struct block *b = free_list; b; b = b->next) printf("[%ld+%zu] ", offset(b), b->size);
    void *big = take(400);
    printf("big %ld, too big %ld\n", offset(big), offset(take(2000)));
    give(big);
    for (int i = 1; i < 16; i += 2) give(held[i]);
    printf("%ld %zu %d\n", offset(free_list), free_list->size, free_list->next == 0);
    buddies[6] = 1;
    int at[12];
    for (int i = 0; i < 12; i++) at[i] = buddy_take(i * 5 % 4), printf("%d ", at[i]);
    for (int i = 0; i < 12; i++)
        if (at[i] >= 0) buddy_give(at[i], i * 5 % 4);
    for (int i = 0; i < 7; i++) printf("| %llx ", (unsigned long long)buddies[i]);
    putchar('\n');
    return 0;
}
