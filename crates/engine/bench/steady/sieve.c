// Primes below 20,000 by Eratosthenes' sieve.
#include "../bench.h"

enum { N = 20000 };
static uint8_t composite[N];

static void setup(void) {}

static NOINLINE uint64_t work(void) {
    uint64_t count = 0;
    memset(composite, 0, sizeof composite);
    for (unsigned i = 2; i < N; i++) {
        if (composite[i]) continue;
        count++;
        if (i <= N / i)
            for (unsigned j = i * i; j < N; j += i) composite[j] = 1;
    }
    return count;
}
