// main is one loop: primes by Eratosthenes' sieve, over and over.
#include "../progress.h"

enum { N = 8192 };
static uint8_t composite[N];

int main(int argc, char **argv) {
    uint64_t count = 0;
    start(argc, argv);
    do {
        for (int i = 0; i < N; i++) composite[i] = 0;
        for (int i = 2; i < N; i++) {
            if (composite[i]) continue;
            count++;
            for (int j = 2 * i; j < N; j += i) composite[j] = 1;
        }
    } while (tick());
    return report(count);
}
