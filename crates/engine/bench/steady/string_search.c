// Search of words in a text: Horspool's skip table, and letter by letter.
#include "../bench.h"

static char text[8192];
static const char *const words[] = {"interpreter", "replacement", "tier", "machine code", "never there"};

static void setup(void) {
    static const char *const some[] = {"the ", "loop ", "is ", "hot ", "and ", "machine ", "code ", "replaces ", "it ", "interpreter "};
    size_t at = 0;
    for (;;) {
        const char *w = some[random_bits() % 10];
        size_t n = strlen(w);
        if (at + n >= sizeof text) break;
        memcpy(text + at, w, n);
        at += n;
    }
    text[at] = 0;
}

static NOINLINE size_t horspool(const char *text, size_t n, const char *word, size_t m) {
    size_t skip[256], found = 0;
    for (int i = 0; i < 256; i++) skip[i] = m;
    for (size_t i = 0; i + 1 < m; i++) skip[(unsigned char)word[i]] = m - 1 - i;
    for (size_t at = 0; at + m <= n; at += skip[(unsigned char)text[at + m - 1]]) {
        size_t i = m;
        while (i > 0 && text[at + i - 1] == word[i - 1]) i--;
        if (i == 0) found += at;
    }
    return found;
}

static NOINLINE size_t plain(const char *text, const char *word) {
    size_t found = 0;
    for (size_t at = 0; text[at]; at++) {
        size_t i = 0;
        while (word[i] && text[at + i] == word[i]) i++;
        if (!word[i]) found += at;
    }
    return found;
}

static NOINLINE uint64_t work(void) {
    uint64_t sum = 0;
    size_t n = (size_t)opaque((int)strlen(text));
    for (int i = 0; i < 5; i++) sum = sum * 3 + horspool(text, n, words[i], strlen(words[i])) + plain(text, words[i]);
    return sum;
}
