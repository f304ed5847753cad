// What the interpreter leaves to compiled code: long double, setjmp, and inline assembly, to a thunk of its own.
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

static int calls;
static int count(int n) {
    calls += n;
    return calls;
}
static long double precise(long double a, int n) {
    for (int i = 0; i < n; i++) a = a / 3 + count(i);
    return a;
}
static unsigned rotate(unsigned x) {
    __asm__("roll $5, %0" : "+r"(x));
    return x;
}
static long double (*volatile pointer)(long double, int) = precise;
static unsigned (*const table[])(unsigned) = {rotate};
static unsigned (*choose(int i))(unsigned) { return table[i]; }

static jmp_buf out;
static void leave(int n) {
    if (n > 3) longjmp(out, n);
}
static int careful(void) {
    volatile int n = 0;
    int r = setjmp(out);
    if (r) return r * 100;
    for (;;) leave(n++);
}
static unsigned apply(unsigned (*f)(unsigned), unsigned x) { return f(x) + 1; }

int main(void) {
    printf("%.15Lg\n", precise(10, 5));
    printf("%.15Lg %d\n", pointer(1.5L, 3), calls);
    printf("%08x %08x %08x\n", rotate(0xf0000001u), table[0](3), apply(rotate, 7));
    printf("%d %d %d\n", choose(0) == rotate, table[0] == rotate, pointer == precise);
    printf("%d\n", careful());
    __asm__ volatile("" ::: "memory");
    return (int)(precise(0, 2) * 4);
}
