/* Counts primes with a sieve, under the engine: the report shows how it gets faster as it runs.
 *
 *   ./x bareflow exec examples/primes.c --report - -- 2000000
 */
#include <stdio.h>
#include <stdlib.h>

/* Strikes out every multiple of `prime` from its square on; returns how many it struck first. */
static long strike(unsigned char *composite, long limit, long prime) {
    long struck = 0;
    for (long n = prime * prime; n <= limit; n += prime) {
        struck += !composite[n];
        composite[n] = 1;
    }
    return struck;
}

static long count(long limit) {
    unsigned char *composite = calloc(limit + 1, 1);
    if (!composite) {
        perror("primes");
        exit(1);
    }
    long primes = limit - 1;
    for (long n = 2; n * n <= limit; n++)
        if (!composite[n])
            primes -= strike(composite, limit, n);
    free(composite);
    return primes;
}

int main(int argc, char **argv) {
    long limit = argc > 1 ? atol(argv[1]) : 1000000;
    if (limit < 2) {
        fprintf(stderr, "usage: primes LIMIT, at least 2\n");
        return 2;
    }
    printf("%ld primes up to %ld\n", count(limit), limit);
    return 0;
}
