// Calls: Fibonacci numbers by double recursion. The argument is the number of repetitions.
#include <stdio.h>
#include <stdlib.h>

static int __attribute__((noinline)) fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }

int main(int argc, char **argv) {
    int times = argc > 1 ? atoi(argv[1]) : 1;
    unsigned total = 0;
    for (int i = 0; i < times; i++) total += (unsigned)fib(16 + (i & 1));
    printf("%u\n", total);
    return 0;
}
