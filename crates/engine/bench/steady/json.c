// A recursive reader of JSON: branches on bytes, calls, numbers.
#include "../bench.h"

static char text[16384];
struct reader {
    const char *at;
    uint64_t sum;
    int depth;
};

static void setup(void) {
    size_t n = 0;
    n += (size_t)sprintf(text + n, "[");
    for (int i = 0; i < 100; i++) {
        n += (size_t)sprintf(text + n, "%s{\"id\": %d, \"name\": \"item \\\"%d\\\"\", \"tags\": [\"a\", \"bc\", null, true],", i ? ", " : "", i, i * 7);
        n += (size_t)sprintf(text + n, " \"price\": %u.%02u, \"stock\": -%u, \"nested\": {\"x\": [1, 2, [3, 4e2]], \"y\": false}}",
            (unsigned)(random_bits() % 1000), (unsigned)(random_bits() % 100), (unsigned)(random_bits() % 50));
    }
    sprintf(text + n, "]");
}

static void space(struct reader *r) {
    while (*r->at == ' ' || *r->at == '\n' || *r->at == '\t' || *r->at == '\r') r->at++;
}

static int literal(struct reader *r, const char *word) {
    size_t n = strlen(word);
    if (strncmp(r->at, word, n) != 0) return 0;
    r->at += n;
    r->sum += n;
    return 1;
}

static int string(struct reader *r) {
    if (*r->at++ != '"') return 0;
    while (*r->at != '"') {
        if (*r->at == '\\') r->at++;
        if (!*r->at) return 0;
        r->sum = r->sum * 31 + (unsigned char)*r->at++;
    }
    r->at++;
    return 1;
}

static int number(struct reader *r) {
    double value = 0, scale = 1;
    int negative = *r->at == '-', digits = 0;
    if (negative) r->at++;
    for (; *r->at >= '0' && *r->at <= '9'; r->at++, digits++) value = value * 10 + (*r->at - '0');
    if (*r->at == '.')
        for (r->at++; *r->at >= '0' && *r->at <= '9'; r->at++) value += (scale *= 0.1) * (*r->at - '0');
    if (*r->at == 'e' || *r->at == 'E') {
        int e = 0;
        for (r->at++; *r->at >= '0' && *r->at <= '9'; r->at++) e = e * 10 + (*r->at - '0');
        while (e-- > 0) value *= 10;
    }
    r->sum += (uint64_t)(value * 100) ^ (uint64_t)negative;
    return digits > 0;
}

static int value(struct reader *r) {
    if (++r->depth > 50) return 0;
    space(r);
    int ok = 0;
    switch (*r->at) {
    case '{':
        r->at++;
        space(r);
        do {
            space(r);
            if (!string(r)) return 0;
            space(r);
            if (*r->at++ != ':' || !value(r)) return 0;
            space(r);
        } while (*r->at++ == ',');
        ok = r->at[-1] == '}';
        break;
    case '[':
        r->at++;
        do {
            if (!value(r)) return 0;
            space(r);
        } while (*r->at++ == ',');
        ok = r->at[-1] == ']';
        break;
    case '"': ok = string(r); break;
    case 't': ok = literal(r, "true"); break;
    case 'f': ok = literal(r, "false"); break;
    case 'n': ok = literal(r, "null"); break;
    default: ok = number(r);
    }
    r->depth--;
    return ok;
}

static NOINLINE uint64_t work(void) {
    struct reader r = {text, 0, 0};
    return value(&r) ? r.sum : 1;
}
