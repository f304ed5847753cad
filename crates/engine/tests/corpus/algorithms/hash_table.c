// Hash tables: chained with growing, open addressing with tombstones; keys are strings.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    uint32_t hash;
    int value;
    char key[];
};
struct table {
    struct entry **buckets;
    size_t size, used;
};
static uint32_t hash(const char *s) {
    uint32_t h = 2166136261u;
    while (*s) h = (h ^ (uint8_t)*s++) * 16777619u;
    return h;
}
static void grow(struct table *t) {
    size_t size = t->size ? t->size * 2 : 4;
    struct entry **b = calloc(size, sizeof *b);
    for (size_t i = 0; i < t->size; i++)
        for (struct entry *e = t->buckets[i], *next; e; e = next) {
            next = e->next;
            e->next = b[e->hash & (size - 1)];
            b[e->hash & (size - 1)] = e;
        }
    free(t->buckets);
    t->buckets = b;
    t->size = size;
}
static int *at(struct table *t, const char *key) {
    uint32_t h = hash(key);
    if (t->used >= t->size) grow(t);
    struct entry **p = &t->buckets[h & (t->size - 1)];
    for (struct entry *e = *p; e; e = e->next)
        if (e->hash == h && !strcmp(e->key, key)) return &e->value;
    struct entry *e = malloc(sizeof *e + strlen(key) + 1);
    e->next = *p;
    e->hash = h;
    e->value = 0;
    strcpy(e->key, key);
    *p = e;
    t->used++;
    return &e->value;
}
static int drop(struct table *t, const char *key) {
    for (struct entry **p = &t->buckets[hash(key) & (t->size - 1)]; *p; p = &(*p)->next)
        if (!strcmp((*p)->key, key)) {
            struct entry *e = *p;
            *p = e->next;
            free(e);
            t->used--;
            return 1;
        }
    return 0;
}
enum { OPEN = 128 };
static uint64_t slots[OPEN];
static const uint64_t empty = 0, tombstone = 1;
static int probe(uint64_t key, int insert) {
    unsigned i = (unsigned)(key * 0x9E3779B97F4A7C15u >> 57), free_ = OPEN, steps = 0;
    for (; slots[i] != empty && steps < OPEN; i = (i + 1) % OPEN, steps++) {
        if (slots[i] == key) return (int)i;
        if (slots[i] == tombstone && free_ == OPEN) free_ = i;
    }
    if (!insert) return -1;
    if (free_ == OPEN) free_ = i;
    slots[free_] = key;
    return (int)free_;
}
int main(void) {
    static const char text[] = "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness";
    struct table t = {0, 0, 0};
    char word[20];
    for (const char *p = text; *p;) {
        int n = 0;
        while (*p && *p != ' ') word[n++] = *p++;
        word[n] = 0;
        ++*at(&t, word);
        if (*p) p++;
    }
    printf("%zu words, %zu buckets, it %d, age %d, dropped %d %d\n", t.used, t.size, *at(&t, "it"), *at(&t, "age"), drop(&t, "was"), drop(&t, "was"));
    for (int i = 0; i < 200; i++) {
        snprintf(word, sizeof word, "k%d", i * i % 150);
        *at(&t, word) += i;
    }
    long sum = 0;
    for (size_t i = 0; i < t.size; i++)
        for (struct entry *e = t.buckets[i]; e; e = e->next) sum += e->value * (long)(e->hash % 97);
    printf("%zu entries, %zu buckets, %ld\n", t.used, t.size, sum);
    for (uint64_t k = 2; k < 80; k++) probe(k * k * 31, 1);
    for (uint64_t k = 2; k < 80; k += 3) slots[probe(k * k * 31, 0)] = tombstone;
    int found = 0;
    unsigned h = 0;
    for (uint64_t k = 2; k < 90; k++) {
        int i = probe(k * k * 31, 0);
        found += i >= 0;
        h = h * 31 + (unsigned)(i + 1);
    }
    printf("found %d, %08x\n", found, h);
    for (size_t i = 0; i < t.size; i++)
        for (struct entry *e = t.buckets[i], *next; e; e = next) next = e->next, free(e);
    free(t.buckets);
    return 0;
}
