// Expressions: Pratt parser to a tree, evaluation, constant folding, reverse Polish output.
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    char op;
    double value;
    struct node *a, *b;
};
static struct node pool[300];
static int used;
static const char *s;
static double variables[26];

static struct node *make(char op, double v, struct node *a, struct node *b) {
    struct node *n = &pool[used++];
    *n = (struct node){op, v, a, b};
    return n;
}
static int power(char c) {
    switch (c) {
    case '=': return 1;
    case '?': return 2;
    case '<': case '>': return 3;
    case '+': case '-': return 4;
    case '*': case '/': case '%': return 5;
    case '^': return 7;
    }
    return 0;
}
static struct node *parse(int least) {
    while (*s == ' ') s++;
    struct node *left;
    if (isdigit((unsigned char)*s) || *s == '.') {
        char *e;
        left = make('#', strtod(s, &e), 0, 0);
        s = e;
    } else if (islower((unsigned char)*s))
        left = make('$', *s++ - 'a', 0, 0);
    else if (*s == '-')
        s++, left = make('~', 0, parse(6), 0);
    else {
        s++;
        left = parse(0);
        while (*s == ' ') s++;
        s++;
    }
    for (;;) {
        while (*s == ' ') s++;
        char op = *s;
        int p = power(op);
        if (!p || p <= least) return left;
        s++;
        struct node *right = parse(op == '^' || op == '=' ? p - 1 : p);
        if (op == '?') {
            while (*s == ' ') s++;
            s++;
            right = make(':', 0, right, parse(p - 1));
        }
        left = make(op, 0, left, right);
    }
}
static double eval(const struct node *n) {
    switch (n->op) {
    case '#': return n->value;
    case '$': return variables[(int)n->value];
    case '~': return -eval(n->a);
    case '=': return variables[(int)n->a->value] = eval(n->b);
    case '?': return eval(n->a) != 0 ? eval(n->b->a) : eval(n->b->b);
    }
    double a = eval(n->a), b = eval(n->b);
    switch (n->op) {
    case '+': return a + b;
    case '-': return a - b;
    case '*': return a * b;
    case '/': return a / b;
    case '%': return fmod(a, b);
    case '<': return a < b;
    case '>': return a > b;
    case '^': return pow(a, b);
    }
    return NAN;
}
static int is_constant(const struct node *n) {
    return !n || (n->op != '$' && n->op != '=' && is_constant(n->a) && is_constant(n->b));
}
static struct node *fold(struct node *n) {
    if (!n || n->op == '#' || n->op == '$' || n->op == ':') {
        if (n && n->op == ':') n->a = fold(n->a), n->b = fold(n->b);
        return n;
    }
    if (is_constant(n)) return make('#', eval(n), 0, 0);
    n->a = fold(n->a);
    n->b = fold(n->b);
    return n;
}
static void polish(const struct node *n) {
    if (!n) return;
    polish(n->a);
    polish(n->b);
    if (n->op == '#') printf("%g ", n->value);
    else if (n->op == '$') printf("%c ", 'a' + (int)n->value);
    else printf("%c ", n->op);
}
int main(void) {
    static const char *const lines[] = {"1 + 2 * 3", "(1 + 2) * 3", "2 ^ 3 ^ 2", "-2 ^ 2", "a = b = 7.5", "a * b - 10 / 4", "10 % 4 - -3",
                                        "x = 1 < 2 ? 10 : 20", "x > a ? x - a : a - x", "1 / 0 - 5", "c = a * (2 + 3 * 4) + 2 ^ 10", "c"};
    for (unsigned i = 0; i < sizeof lines / sizeof *lines; i++) {
        used = 0;
        s = lines[i];
        struct node *n = parse(0);
        polish(n);
        n = fold(n);
        double v = eval(n);
        printf("-> ");
        polish(n);
        printf("= %.10g\n", v);
    }
    return 0;
}
