// memcpy of small sizes that vary: what a call costs.
#include "../bench.h"

static uint8_t from[4096], to[4096];
static uint8_t sizes[1024];

static void setup(void) {
    for (int i = 0; i < 1024; i++) sizes[i] = (uint8_t)(1 + random_bits() % 64);
    for (unsigned i = 0; i < sizeof from; i++) from[i] = (uint8_t)random_bits();
}

static NOINLINE uint64_t work(void) {
    for (int k = 0; k < 8; k++) {
        size_t at = 0;
        for (int i = 0; i < 1024; i++) {
            memcpy(to + at, from + ((at + (size_t)k) & 2047), sizes[i]);
            at = (at + sizes[i]) & 2047;
        }
    }
    return to[100];
}
