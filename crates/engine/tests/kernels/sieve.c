// Byte stores in a loop: the sieve of Eratosthenes. The argument is the number of repetitions.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 8192 };
static unsigned char composite[N];

static int __attribute__((noinline)) sieve(void) {
    int count = 0;
    memset(composite, 0, N);
    for (int i = 2; i < N; i++) {
        if (composite[i]) continue;
        count++;
        for (int j = 2 * i; j < N; j += i) composite[j] = 1;
    }
    return count;
}

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 1, total = 0;
    for (int i = 0; i < times; i++) total += sieve();
    printf("%d\n", total);
    return 0;
}
