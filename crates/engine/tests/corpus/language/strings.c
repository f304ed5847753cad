// The string functions of the C library and hand-written twins of them.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t my_strlen(const char *s) {
    const char *p = s;
    while (*p) p++;
    return (size_t)(p - s);
}
static int my_strcmp(const char *a, const char *b) {
    while (*a && *a == *b) a++, b++;
    return (unsigned char)*a - (unsigned char)*b;
}
static char *my_strcpy(char *to, const char *from) {
    char *r = to;
    while ((*to++ = *from++))
        ;
    return r;
}
static char *my_strstr(const char *s, const char *what) {
    if (!*what) return (char *)s;
    for (; *s; s++) {
        const char *a = s, *b = what;
        while (*b && *a == *b) a++, b++;
        if (!*b) return (char *)s;
    }
    return 0;
}
static char *title(char *s) {
    int start = 1;
    for (char *p = s; *p; p++) {
        *p = (char)(start ? toupper((unsigned char)*p) : tolower((unsigned char)*p));
        start = !isalnum((unsigned char)*p);
    }
    return s;
}
static int palindrome(const char *s) {
    const char *e = s + strlen(s);
    while (s < e) {
        if (!isalpha((unsigned char)*s)) s++;
        else if (!isalpha((unsigned char)e[-1])) e--;
        else if (tolower((unsigned char)*s++) != tolower((unsigned char)*--e)) return 0;
    }
    return 1;
}
static int sign(int x) { return (x > 0) - (x < 0); }
int main(void) {
    static const char *const words[] = {"", "a", "ab", "abc", "abd", "b", "a longer string than the others", "\xff\xfe"};
    int agree = 0;
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            agree += sign(strcmp(words[i], words[j])) == sign(my_strcmp(words[i], words[j]));
            agree += strstr(words[i], words[j]) == my_strstr(words[i], words[j]);
            agree += sign(strncmp(words[i], words[j], 2)) + 1;
        }
    char b[80];
    printf("%d %zu %zu\n", agree, my_strlen(words[6]), strlen(words[6]));
    printf("%s %s\n", my_strcpy(b, "copied"), title(strcat(strcpy(b + 20, "mANY wOrDs, "), "one-LINE 2x")));
    printf("%s %s %s\n", strchr("find me", ' '), strrchr("a/b/c", '/'), strpbrk("key=value", "=:"));
    printf("%zu %zu %zu\n", strspn("aabbc", "ab"), strcspn("hello, you", ","), strnlen("12345", 3));
    strncpy(b, "padded", 10);
    b[10] = 0;
    strncat(b, " and more", 4);
    printf("%s %d\n", b, b[9]);
    char line[] = "a,b;;c d", *save, *t = line;
    for (t = strtok_r(line, ",; ", &save); t; t = strtok_r(0, ",; ", &save)) printf("<%s>", t);
    printf(" %d %d %d\n", palindrome("A man, a plan, a canal: Panama"), palindrome("not one"), palindrome(""));
    int classes = 0;
    for (int c = 0; c < 128; c++) classes = classes * 3 % 1000003 + (isalpha(c) != 0) + (isdigit(c) != 0) * 2 + (isspace(c) != 0) * 4 + (ispunct(c) != 0) * 8 + (isxdigit(c) != 0) * 16 + (isupper(c) != 0) * 32 + toupper(c);
    printf("%d %d %d\n", classes, strcasecmp("HeLLo", "hEllO"), sign(strncasecmp("abX", "aby", 3)));
    char *d = strdup("duplicate"), *n = strndup("only part", 4);
    printf("%s %s %s\n", d, n, strerror(2));
    free(d);
    free(n);
    return 0;
}
