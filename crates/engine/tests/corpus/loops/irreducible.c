// Control flow with two entries into a loop, jumps into and out of blocks, overlapping loops by goto.
#include <stdio.h>

static unsigned two_entries(int n, int where) {
    unsigned x = 1;
    int i = 0;
    if (where & 1) goto middle;
top:
    x = x * 3 + (unsigned)i;
    if (x % 7 == 0) x += 5;
middle:
    x ^= (unsigned)(n - i);
    if (++i < n) goto top;
    return x;
}
static int overlapping(int n) {
    int a = 0, b = 0, c = 0;
one:
    a++;
    if (a > n) goto done;
two:
    b += a;
    if (b % 4 == 1) goto one;
    c++;
    if (c < n * 2) {
        if (c % 3) goto two;
        goto one;
    }
done:
    return a * 10000 + b * 10 + c;
}
static int machine(const char *s) {
    int count = 0, value = 0;
start:
    switch (*s++) {
    case 'a': goto in_a;
    case 'b': goto in_b;
    case 0: return count * 1000 + value;
    default: goto start;
    }
in_a:
    count++;
    value = (value * 2 + 1) % 997;
    if (*s == 'a') {
        s++;
        goto in_a;
    }
    if (*s == 'b') {
        s++;
        goto in_b;
    }
    goto start;
in_b:
    value = (value + 3) % 997;
    if (*s == 'b') {
        s++;
        goto in_b;
    }
    if (*s == 'a') {
        s++;
        goto in_a;
    }
    goto start;
}
static long into_switch(int k, int n) {
    long r = 0;
    switch (k) {
        for (; n > 0; n--) {
        case 0: r += n;
        case 1:
            r *= 2;
            if (n % 4 == 0) continue;
        case 2: r -= 3;
            while (r > 100000) {
            case 3: r /= 3;
            }
        }
    default: r++;
    }
    return r;
}
static int three_entries(int n, int e) {
    int x = e, turns = 0;
    switch (e % 3) {
    case 0: goto p;
    case 1: goto q;
    default: goto r;
    }
p:
    x += 3;
    turns++;
    if (x % 5 == 0) goto r;
q:
    x *= 2;
    x %= 1009;
    if (x % 3 == 0) goto p;
r:
    x -= 1;
    if (turns++ < n) {
        if (x % 4 == 1) goto p;
        goto q;
    }
    return x;
}
int main(void) {
    for (int n = 0; n < 40; n += 5) printf("%u %u ", two_entries(n, 0), two_entries(n, 1));
    putchar('\n');
    for (int n = 1; n < 30; n += 4) printf("%d ", overlapping(n));
    printf("\n%d %d %d\n", machine("abbaab cab bba"), machine("aaaaaaaaaaaaaabbbbbbbbbbb"), machine(""));
    for (int k = 0; k < 5; k++)
        for (int n = 1; n < 60; n += 19) printf("%ld ", into_switch(k, n));
    putchar('\n');
    for (int e = 0; e < 9; e++) printf("%d ", three_entries(30, e));
    putchar('\n');
    return 0;
}
