// A backtracking matcher for regular expressions: . * + ? ^ $ [a-z] [^...] groups and alternatives.
#include <stdio.h>
#include <string.h>

struct rest {
    const char *pattern, *end;
    const struct rest *next;
    const char *from; /* a repeated group must get on from here */
};
static const char *text_begin;
static int here(const char *p, const char *e, const char *t, const struct rest *k, const char **out);

static int go_on(const struct rest *k, const char *t, const char **out) {
    if (k && k->from == t) return 0;
    if (k) return here(k->pattern, k->end, t, k->next, out);
    *out = t;
    return 1;
}
static const char *atom_end(const char *p) {
    if (*p == '\\') return p + 2;
    if (*p == '[') {
        p += p[1] == '^' ? 2 : 1;
        do p++;
        while (*p != ']');
        return p + 1;
    }
    if (*p == '(') {
        int depth = 0;
        do depth += (*p == '(') - (*p == ')'), p++;
        while (depth);
        return p;
    }
    return p + 1;
}
static int one(const char *p, char c) {
    if (!c) return 0;
    if (*p == '.') return 1;
    if (*p == '\\') return p[1] == 'd' ? c >= '0' && c <= '9' : p[1] == c;
    if (*p != '[') return *p == c;
    int negated = p[1] == '^', hit = 0;
    for (p += 1 + negated; *p != ']'; p++)
        if (p[1] == '-' && p[2] != ']')
            hit |= c >= p[0] && c <= p[2], p += 2;
        else
            hit |= *p == c;
    return hit != negated;
}
static int branches(const char *p, const char *e, const char *t, const struct rest *k, const char **out) {
    const char *start = p;
    while (p < e) {
        if (*p == '|') {
            if (here(start, p, t, k, out)) return 1;
            start = ++p;
        } else
            p = atom_end(p);
    }
    return here(start, e, t, k, out);
}
static int atom(const char *p, const char *ae, const char *t, const struct rest *k, const char **out) {
    if (*p == '(') return branches(p + 1, ae - 1, t, k, out);
    return one(p, *t) && go_on(k, t + 1, out);
}
static int star(const char *p, const char *ae, const char *e, const char *t, const struct rest *k, const char **out, int depth) {
    if (depth < 40) {
        if (*p == '(') {
            struct rest again = {p, e, k, t};
            if (atom(p, ae, t, &again, out)) return 1;
        } else if (one(p, *t) && star(p, ae, e, t + 1, k, out, depth + 1))
            return 1;
    }
    return here(ae + 1, e, t, k, out);
}
static int here(const char *p, const char *e, const char *t, const struct rest *k, const char **out) {
    if (p == e) return go_on(k, t, out);
    if (*p == '^') return t == text_begin && here(p + 1, e, t, k, out);
    if (*p == '$' && p + 1 == e) return !*t && go_on(k, t, out);
    const char *ae = atom_end(p);
    if (ae < e && *ae == '*') return star(p, ae, e, t, k, out, 0);
    struct rest after = {ae, e, k, 0};
    if (ae < e && *ae == '?') {
        after.pattern = ae + 1;
        return atom(p, ae, t, &after, out) || here(ae + 1, e, t, k, out);
    }
    return atom(p, ae, t, &after, out);
}
static void match(const char *pattern, const char *text) {
    text_begin = text;
    for (const char *t = text;; t++) {
        const char *end = 0;
        if (branches(pattern, pattern + strlen(pattern), t, 0, &end)) {
            printf("%-22s %-22s \"%.*s\" at %d\n", pattern, text, (int)(end - t), t, (int)(t - text));
            return;
        }
        if (!*t) break;
    }
    printf("%-22s %-22s no\n", pattern, text);
}
int main(void) {
    match("abc", "xxabcxx");
    match("^a.c$", "abc");
    match("a*b", "aaaab");
    match("[a-c]*d", "xyabcabcd");
    match("[^0-9]*", "abc123");
    match("\\d\\d*\\.\\d*", "pi is 3.14159, yes");
    match("(ab|cd)*e", "ababcde");
    match("colou?r", "my color");
    match("^(a|b)*abb$", "abababb");
    match("^(a|b)*abb$", "ababab");
    match("x|yy|zzz", "wwzzz");
    match("(a*)*b", "aaaaaaac");
    match("[a-zA-Z_][a-zA-Z0-9_]*", "9 lives_2 go");
    return 0;
}
