/* A program with a few hot functions, for machines that are booted hundreds of times: short, but worth compiling. */
#include <stddef.h>
#include <stdint.h>

void bf_console_write(const char *text, size_t length);

enum { LIMIT = 3000 };

static unsigned char composite[LIMIT + 1];
static uint32_t primes[LIMIT];

__attribute__((noinline)) static void strike(uint32_t prime) {
    for (uint32_t n = prime * prime; n <= LIMIT; n += prime)
        composite[n] = 1;
}

__attribute__((noinline)) static uint32_t sieve(void) {
    uint32_t count = 0;
    for (uint32_t n = 2; n <= LIMIT; n++) {
        if (composite[n])
            continue;
        primes[count++] = n;
        if (n * n <= LIMIT)
            strike(n);
    }
    return count;
}

__attribute__((noinline)) static uint32_t mix(uint32_t hash, uint32_t value) {
    hash ^= value;
    hash *= 16777619u;
    return hash ^ hash >> 15;
}

/* Largest first, by insertion: quadratic on purpose. */
__attribute__((noinline)) static void turn(uint32_t *values, uint32_t count) {
    for (uint32_t i = 1; i < count; i++) {
        uint32_t value = values[i], at = i;
        for (; at > 0 && values[at - 1] < value; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
}

__attribute__((noinline)) static void print_number(uint32_t number) {
    char digits[10];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    bf_console_write(digits + at, sizeof digits - at);
}

int main(void) {
    uint32_t count = sieve(), hash = 2166136261u;
    turn(primes, count);
    for (uint32_t i = 0; i < count; i++)
        hash = mix(hash, primes[i]);
    bf_console_write("steps ", 6);
    print_number(count);
    bf_console_write(" ", 1);
    print_number(hash);
    bf_console_write("\n", 1);
    return 0;
}
