// Wide characters and encodings: wchar_t functions, UTF-8 by hand, char16_t and char32_t literals, escapes.
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <uchar.h>
#include <wchar.h>
#include <wctype.h>

static int encode(uint32_t c, unsigned char *out) {
    if (c < 0x80) return out[0] = (unsigned char)c, 1;
    if (c < 0x800) return out[0] = (unsigned char)(0xC0 | c >> 6), out[1] = (unsigned char)(0x80 | (c & 63)), 2;
    if (c < 0x10000) return out[0] = (unsigned char)(0xE0 | c >> 12), out[1] = (unsigned char)(0x80 | (c >> 6 & 63)), out[2] = (unsigned char)(0x80 | (c & 63)), 3;
    out[0] = (unsigned char)(0xF0 | c >> 18);
    for (int i = 1; i < 4; i++) out[i] = (unsigned char)(0x80 | (c >> (18 - 6 * i) & 63));
    return 4;
}
static uint32_t decode(const unsigned char **p) {
    uint32_t c = *(*p)++;
    int more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0;
    if (more) c &= 0x3Fu >> more;
    for (; more; more--) {
        if ((**p & 0xC0) != 0x80) return 0xFFFD;
        c = c << 6 | (*(*p)++ & 63u);
    }
    return c;
}
int main(void) {
    const wchar_t *w = L"wide \u00e9\u4e16\U0001F600";
    wchar_t b[40];
    wcscpy(b, w);
    wcscat(b, L" end");
    printf("%zu %zu %d %d\n", wcslen(w), wcslen(b), wcscmp(w, b) < 0, (int)b[5]);
    wchar_t *found = wcschr(b, 0x4e16);
    printf("%td %d %d\n", found - b, towupper(L'q'), iswdigit(L'7') != 0);
    unsigned h = 0;
    for (const wchar_t *p = w; *p; p++) h = h * 31 + (unsigned)*p;
    static const char16_t s16[] = u"\u00e9\U0001F600";
    static const char32_t s32[] = U"\u00e9\U0001F600";
    printf("%08x %zu %zu %x %x\n", h, sizeof s16, sizeof s32, s16[1], (unsigned)s32[1]);
    static const uint32_t points[] = {'A', 0x7FF, 0x800, 0xFFFD, 0x10000, 0x10FFFF};
    unsigned char text[32], *end = text;
    for (int i = 0; i < 6; i++) end += encode(points[i], end);
    *end = 0;
    for (unsigned char *p = text; p < end; p++) printf("%02x", *p);
    putchar('\n');
    for (const unsigned char *p = text; *p;) printf("%x ", decode(&p));
    printf("%zu\n", strlen(u8"\u00e9\u4e16"));
    printf("%d %d %d %d %s\n", '\x41', '\101', '\'', '\0', "a\tb\\c\"");
    long v = wcstol(L"-99 x", &found, 10);
    swprintf(b, 40, L"%ld %ls %.2f", v, L"text", 1.5);
    for (wchar_t *p = b; *p; p++) putchar((char)*p);
    putchar('\n');
    return 0;
}
