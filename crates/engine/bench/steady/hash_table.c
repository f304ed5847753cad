// Hash table with open addressing: insert, find, erase.
#include "../bench.h"

enum { SIZE = 4096, KEYS = 1500 };
struct slot {
    uint64_t key;
    uint32_t value, state;
};
static struct slot table[SIZE];
static uint64_t keys[KEYS];

static void setup(void) {
    for (int i = 0; i < KEYS; i++) keys[i] = (uint64_t)random_bits() << 24 | random_bits();
}

static uint64_t hash(uint64_t x) {
    x ^= x >> 31;
    x *= 0x7fb5d329728ea185u;
    x ^= x >> 27;
    x *= 0x81dadef4bc2dd44du;
    return x ^ x >> 33;
}

// 1 in use, 2 was in use
static NOINLINE struct slot *find(uint64_t key, int insert) {
    struct slot *grave = NULL;
    for (uint64_t i = hash(key);; i++) {
        struct slot *s = &table[i % SIZE];
        if (s->state == 1 && s->key == key) return s;
        if (s->state == 2 && !grave) grave = s;
        if (s->state == 0) {
            if (!insert) return NULL;
            if (grave) s = grave;
            s->key = key;
            s->value = 0;
            s->state = 1;
            return s;
        }
    }
}

static NOINLINE uint64_t work(void) {
    uint64_t sum = 0;
    memset(table, 0, sizeof table);
    for (int i = 0; i < KEYS; i++) find(keys[i], 1)->value += (uint32_t)i;
    for (int i = 0; i < KEYS; i += 3) find(keys[i], 0)->state = 2;
    for (int i = 0; i < KEYS; i++) {
        struct slot *s = find(keys[i], 0);
        if (s) sum += s->value;
    }
    return sum;
}
