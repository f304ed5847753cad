// A JSON parser and printer: recursive descent, tagged unions, lists, escapes, numbers, errors.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { NIL, BOOL, NUMBER, STRING, ARRAY, OBJECT };
struct value {
    enum kind kind;
    union {
        int truth;
        double number;
        char *string;
        struct value *first;
    } as;
    char *key;
    struct value *next;
};
static const char *p;
static const char *error;
static struct value pool[200];
static char text[2000];
static int values, characters;

static void space(void) {
    while (isspace((unsigned char)*p)) p++;
}
static char *string(void) {
    char *start = text + characters;
    for (p++; *p && *p != '"'; p++) {
        char c = *p;
        if (c == '\\') {
            c = *++p;
            switch (c) {
            case 'n': c = '\n'; break;
            case 't': c = '\t'; break;
            case 'u': {
                unsigned u = 0;
                for (int i = 0; i < 4; i++) u = u * 16 + (unsigned)(isdigit((unsigned char)p[1]) ? p[1] - '0' : tolower(p[1]) - 'a' + 10), p++;
                if (u >= 0x80) text[characters++] = (char)(0xC0 | u >> 6), u = 0x80 | (u & 0x3F);
                c = (char)u;
                break;
            }
            }
        }
        text[characters++] = c;
    }
    if (*p != '"') error = "open string";
    else p++;
    text[characters++] = 0;
    return start;
}
static struct value *parse(void) {
    struct value *v = &pool[values++];
    memset(v, 0, sizeof *v);
    space();
    if (*p == '{' || *p == '[') {
        char close = *p == '{' ? '}' : ']';
        v->kind = *p == '{' ? OBJECT : ARRAY;
        struct value **end = &v->as.first;
        p++;
        space();
        if (*p == close) return p++, v;
        for (;;) {
            char *key = 0;
            if (v->kind == OBJECT) {
                space();
                if (*p != '"') return error = "key expected", v;
                key = string();
                space();
                if (*p++ != ':') return error = "colon expected", v;
            }
            *end = parse();
            if (error) return v;
            (*end)->key = key;
            end = &(*end)->next;
            space();
            if (*p == close) return p++, v;
            if (*p++ != ',') return error = "comma expected", v;
        }
    }
    if (*p == '"') return v->kind = STRING, v->as.string = string(), v;
    if (*p == '-' || isdigit((unsigned char)*p)) {
        char *e;
        v->kind = NUMBER;
        v->as.number = strtod(p, &e);
        p = e;
        return v;
    }
    static const struct { const char *word; enum kind kind; int truth; } words[] = {{"null", NIL, 0}, {"true", BOOL, 1}, {"false", BOOL, 0}};
    for (int i = 0; i < 3; i++)
        if (!strncmp(p, words[i].word, strlen(words[i].word))) {
            p += strlen(words[i].word);
            v->kind = words[i].kind;
            v->as.truth = words[i].truth;
            return v;
        }
    error = "value expected";
    return v;
}
static int depth(const struct value *v) {
    int most = 0;
    if (v->kind < ARRAY) return 0;
    for (v = v->as.first; v; v = v->next) {
        int d = depth(v);
        if (d > most) most = d;
    }
    return most + 1;
}
static void print(const struct value *v) {
    switch (v->kind) {
    case NIL: printf("null"); return;
    case BOOL: printf(v->as.truth ? "true" : "false"); return;
    case NUMBER: printf("%.10g", v->as.number); return;
    case STRING: printf("'%s'", v->as.string); return;
    case ARRAY:
    case OBJECT: break;
    }
    putchar(v->kind == ARRAY ? '[' : '{');
    for (const struct value *i = v->as.first; i; i = i->next) {
        if (i->key) printf("%s=", i->key);
        print(i);
        if (i->next) putchar(' ');
    }
    putchar(v->kind == ARRAY ? ']' : '}');
}
int main(void) {
    static const char *const samples[] = {
        "{\"name\": \"BareFlow\", \"tiers\": [0, 1, 2, 3], \"ok\": true, \"none\": null}",
        "[1.5e3, -0.25, 1e-7, [[], [[]], {}], \"a\\n\\t\\\"\\u00e9\\u0041\"]",
        "{\"a\": {\"b\": {\"c\": [false, {\"d\": -1}]}}}",
        "[1, 2",
        "{\"a\" 1}",
        "[nope]",
        "  \"just text\"  ",
        "{3: 4}",
        "[\"open",
    };
    for (unsigned i = 0; i < sizeof samples / sizeof *samples; i++) {
        p = samples[i];
        error = 0;
        values = characters = 0;
        struct value *v = parse();
        if (error) {
            printf("%u: %s at %d\n", i, error, (int)(p - samples[i]));
            continue;
        }
        printf("%u: depth %d, %d values: ", i, depth(v), values);
        print(v);
        putchar('\n');
    }
    return 0;
}
