// One long loop in main, never called again: what only on-stack replacement can speed up.
#include <stdint.h>
#include <stdio.h>

int main(void) {
    uint32_t table[64];
    uint64_t sum = 0, product = 1;
    double average = 0;
    int longest = 0, run = 0;
    for (int i = 0; i < 64; i++) table[i] = (uint32_t)i * 2654435761u;
    for (int i = 0; i < 20000; i++) {
        uint32_t *p = &table[(i * 7) & 63];
        *p ^= *p << 13;
        *p ^= *p >> 17;
        *p ^= *p << 5;
        sum += *p;
        product = product * (*p | 1);
        average += ((double)*p - average) / (i + 1);
        run = *p & 1 ? run + 1 : 0;
        if (run > longest) longest = run;
        if (i % 4000 == 3999) printf("%d: %llu %016llx %.6f %d\n", i, (unsigned long long)sum, (unsigned long long)product, average, longest);
    }
    return (int)(sum % 100);
}
