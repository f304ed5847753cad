// Text by the byte: base64, hex, UTF-8 validation, case, whitespace, line counts, number parsing, escaping.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static const char set[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static size_t encode(const uint8_t *in, size_t n, char *out) {
    char *o = out;
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16 | (i + 1 < n ? (uint32_t)in[i + 1] << 8 : 0) | (i + 2 < n ? in[i + 2] : 0);
        *o++ = set[v >> 18];
        *o++ = set[v >> 12 & 63];
        *o++ = i + 1 < n ? set[v >> 6 & 63] : '=';
        *o++ = i + 2 < n ? set[v & 63] : '=';
    }
    *o = 0;
    return (size_t)(o - out);
}
static size_t decode(const char *in, uint8_t *out) {
    uint8_t back[256];
    memset(back, 255, sizeof back);
    for (int i = 0; i < 64; i++) back[(uint8_t)set[i]] = (uint8_t)i;
    uint32_t v = 0;
    int bits = 0;
    size_t n = 0;
    for (; *in && back[(uint8_t)*in] != 255; in++) {
        v = v << 6 | back[(uint8_t)*in];
        if ((bits += 6) >= 8) out[n++] = (uint8_t)(v >> (bits -= 8));
    }
    return n;
}
static int valid(const uint8_t *p, size_t n) {
    int characters = 0;
    for (size_t i = 0; i < n; characters++) {
        uint8_t c = p[i++];
        int more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : -1;
        if (more < 0 || i + (size_t)more > n) return -(int)i;
        uint32_t x = more ? c & (0x3Fu >> more) : c;
        for (int k = 0; k < more; k++) {
            if (p[i] >> 6 != 2) return -(int)i;
            x = x << 6 | (p[i++] & 63);
        }
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        if (x < least[more] || x > 0x10FFFF || (x >= 0xD800 && x < 0xE000)) return -(int)i;
    }
    return characters;
}
static void counts(const char *s, int *lines, int *words, int *bytes) {
    int inside = 0;
    *lines = *words = *bytes = 0;
    for (; *s; s++, ++*bytes) {
        *lines += *s == '\n';
        int space = *s == ' ' || (*s >= 9 && *s <= 13);
        *words += !space && !inside;
        inside = !space;
    }
}
static long sum_numbers(const char *s) {
    long total = 0, n = 0;
    int digits = 0, negative = 0;
    for (;; s++) {
        if (*s >= '0' && *s <= '9') {
            n = n * 10 + *s - '0';
            digits++;
            continue;
        }
        if (digits) total += negative ? -n : n;
        n = digits = 0;
        negative = *s == '-';
        if (!*s) return total;
    }
}
static void hex(const void *p, size_t n) {
    for (const uint8_t *b = p; n--; b++) putchar("0123456789abcdef"[*b >> 4]), putchar("0123456789abcdef"[*b & 15]);
}
static void escape(const char *s) {
    for (; *s; s++) switch (*s) {
        case '<': fputs("&lt;", stdout); break;
        case '&': fputs("&amp;", stdout); break;
        case '"': fputs("&quot;", stdout); break;
        case '\n': fputs("\\n", stdout); break;
        default:
            if (*s < 32 || *s > 126) printf("&#%d;", (uint8_t)*s);
            else putchar(*s);
        }
    putchar('\n');
}
static void upper(char *s, size_t n) {
    for (size_t i = 0; i < n; i++) s[i] = (char)(s[i] - ((s[i] >= 'a' && s[i] <= 'z') ? 32 : 0));
}
int main(void) {
    uint8_t raw[100], again[100];
    char text[200];
    for (int i = 0; i < 100; i++) raw[i] = (uint8_t)(i * 67 + 5);
    for (size_t n = 0; n < 100; n += n < 6 ? 1 : 31) {
        size_t e = encode(raw, n, text), d = decode(text, again);
        printf("%zu %zu %d %.20s\n", e, d, d == n && !memcmp(raw, again, n), text);
    }
    static const char *const samples[] = {"plain", "gr\xc3\xbc\xc3\x9f", "\xe4\xb8\x96\xf0\x9f\x8e\x89", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "cut\xe4\xb8", "\xff"};
    for (int i = 0; i < 8; i++) printf("%d ", valid((const uint8_t *)samples[i], strlen(samples[i])));
    int l, w, b;
    counts("one two\n three\tfour\n\n five ", &l, &w, &b);
    printf("\n%d %d %d %ld\n", l, w, b, sum_numbers("12 apples, -7 pears and 1000000007-3 others 9"));
    hex("\x00\x7f\xff end", 7);
    putchar('\n');
    escape("a<b & \"c\"\n\x01\xe9");
    strcpy(text, "Mixed Case, 123 and more letters than sixteen; zz{`");
    upper(text, strlen(text));
    puts(text);
    return 0;
}
