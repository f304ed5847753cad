// Computed goto: a threaded interpreter with labels as values, label differences, tables in static data.
#include <stdio.h>

static long run(const unsigned char *code, long x) {
    static void *const table[] = {&&inc, &&dbl, &&neg, &&dec_jump, &&add, &&swap, &&halt};
    long y = 1, count = 10, steps = 0;
    const unsigned char *p = code;
#define NEXT                     \
    do {                         \
        if (++steps > 500) goto halt; \
        goto *table[*p++];       \
    } while (0)
    NEXT;
inc:
    x++;
    NEXT;
dbl:
    x = x * 2 % 1000003;
    NEXT;
neg:
    x = -x;
    NEXT;
dec_jump:
    if (--count > 0) p -= *p;
    else p++;
    NEXT;
add:
    y += x;
    NEXT;
swap: {
    long t = x;
    x = y;
    y = t;
    NEXT;
}
halt:
    return x * 1000 + y % 1000 + steps;
}
static int states(const char *s) {
    void *state = &&outside;
    int words = 0, quotes = 0, comments = 0;
    for (; *s; s++) {
        goto *state;
    outside:
        if (*s == '"') state = &&in_quote, quotes++;
        else if (*s == '#') state = &&in_comment, comments++;
        else if (*s != ' ') state = &&in_word, words++;
        continue;
    in_word:
        if (*s == ' ') state = &&outside;
        continue;
    in_quote:
        if (*s == '"') state = &&outside;
        continue;
    in_comment:
        if (*s == ';') state = &&outside;
    }
    return words * 100 + quotes * 10 + comments;
}
static int differences(int k) {
    static const int offsets[] = {&&zero - &&zero, &&one - &&zero, &&two - &&zero};
    goto *(&&zero + offsets[k]);
zero:
    return 111;
one:
    return 222;
two:
    return 333;
}
int main(void) {
    static const unsigned char a[] = {0, 1, 4, 3, 4, 6}, b[] = {0, 5, 2, 1, 4, 3, 6, 6}, c[] = {0, 4, 3, 3, 6};
    for (long x = 0; x < 5; x++) printf("%ld %ld %ld\n", run(a, x), run(b, x), run(c, x));
    printf("%d %d\n", states("one \"two three\" four # five six; seven"), states(""));
    printf("%d %d %d\n", differences(0), differences(1), differences(2));
    return 0;
}
