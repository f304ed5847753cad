// printf and its relatives: flags, widths, precisions, lengths, floats of all formats, %n-free.
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

int main(void) {
    printf("[%d] [%5d] [%-5d] [%05d] [%+d] [% d] [%.3d] [%8.3d] [%-8.3d|]\n", 42, 42, 42, 42, 42, 42, 7, 7, 7);
    printf("[%u] [%o] [%x] [%X] [%#x] [%#o] [%#X] [%08x]\n", 3000000000u, 8u, 255u, 255u, 255u, 8u, 48879u, 0xbeefu);
    printf("[%hhd] [%hd] [%ld] [%lld] [%zu] [%td] [%jd]\n", (signed char)-5, (short)-300, -5000000000L, -9000000000000000000LL, (size_t)77, (ptrdiff_t)-8, (intmax_t)99);
    printf("[%hhu] [%hu] [%lu] [%llu]\n", (unsigned char)250, (unsigned short)65000, 4000000000000000000UL, 18000000000000000000ULL);
    printf("[%f] [%.2f] [%10.3f] [%-10.1f|] [%+.1f] [%010.2f] [%.0f] [%#.0f]\n", 3.14159, 2.5, -1.5, 9.96, 0.05, -3.7, 2.5, 3.5);
    printf("[%e] [%.2E] [%g] [%G] [%g] [%g] [%.3g] [%#g]\n", 12345.678, 0.00012, 1e10, 1e-10, 100000.0, 1000000.0, 3.14159, 2.0);
    printf("[%a] [%A] [%.2a] [%a]\n", 1.0, -0.1, 3.999, 0x1p-1060);
    printf("[%s] [%10s] [%-10s] [%.2s] [%10.3s] [%c] [%5c] [%-3c|]\n", "text", "right", "left", "cut", "abcdef", 'x', 'y', 'z');
    printf("[%*d] [%-*d] [%.*f] [%*.*s]\n", 6, 1, 6, 2, 3, 1.23456789, 8, 3, "star");
    printf("[%%] [%5s] [%p]\n", "", (void *)0);
    printf("[%2$s %1$s]\n", "world", "hello");
    printf("[%" PRId8 "] [%" PRIu16 "] [%" PRIx32 "] [%" PRIo64 "]\n", (int8_t)-1, (uint16_t)1, (uint32_t)0xabc, (uint64_t)01234567);
    printf("[%f] [%F] [%e] [%5.1f]\n", 1.0 / 0.0, -1.0 / 0.0, 1.0 / 0.0, 1.0 / 0.0);
    char b[16];
    int n = snprintf(b, sizeof b, "%s-%d", "much too long for it", 12345);
    printf("%d [%s]\n", n, b);
    n = snprintf(b, 0, "%d", 123456);
    printf("%d\n", n);
    n = sprintf(b, "%c%c%03d", 'o', 'k', 7);
    printf("%d [%s] %d\n", n, b, (int)sizeof "x");
    for (int i = 0; i < 8; i++) printf("%*s%d\n", i % 4, "", i * i);
    double powers = 1;
    for (int i = 0; i < 25; i++, powers *= -23.75) printf("%.15g%s", powers, i % 5 == 4 ? "\n" : " ");
    printf("%.17g %.9g %.40f\n", 0.1, (double)0.1f, 0.1);
    fprintf(stdout, "%s%n\n", "end", &n);
    printf("%d\n", n);
    return 0;
}
