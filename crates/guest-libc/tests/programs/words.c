//! Counts words, sorts them, prints tables: strings, sorting, formatted text, memory, numbers, streams.
#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct word {
    char *text;
    unsigned count;
};

static const char story[] = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of "
                            "foolishness, it was the epoch of belief, it was the epoch of incredulity";

static int by_count(const void *a, const void *b) {
    const struct word *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->text, y->text);
}

static void say(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vprintf(format, list);
    va_end(list);
}

static void at_exit(void) { printf("last words\n"); }

int main(int argc, char **argv) {
    struct word *words = NULL;
    size_t count = 0;
    char *copy = strdup(story);
    for (char *at = copy, *word; (word = strtok_r(at, " ,.", &at));) {
        for (char *c = word; *c; c++)
            *c = (char)tolower((unsigned char)*c);
        size_t i = 0;
        while (i < count && strcmp(words[i].text, word))
            i++;
        if (i == count) {
            words = realloc(words, ++count * sizeof *words);
            assert(words);
            words[i] = (struct word){strdup(word), 0};
        }
        words[i].count++;
    }
    qsort(words, count, sizeof *words, by_count);
    for (size_t i = 0; i < count; i++)
        printf("%-12s|%4u|%5.1f%%\n", words[i].text, words[i].count, 100.0 * words[i].count / 36);
    for (size_t i = 0; i < count; i++)
        free(words[i].text);
    free(words), free(copy);

    double sum = 0;
    for (int i = 1; i < 40; i++)
        sum += sqrt(i) * fabs(floor(i / 3.0)) + fmod(i, 3.5);
    say("%.12g %a %e\n", sum, sum, 1 / sum);
    say("%" PRId64 " %" PRIx32 " %lld %#o %+d\n", INT64_MIN, UINT32_MAX, LLONG_MAX, 8, 7);
    char *end;
    errno = 0;
    long big = strtol("99999999999999999999x", &end, 10);
    say("%ld %s %s\n", big, end, strerror(errno));
    printf("%.17g %.3f %g\n", strtod("0.1", NULL), atof("2.71828"), (double)strtof("1e-40", NULL));
    int a;
    char name[20];
    double d;
    say("%d", sscanf("12 apples 3.5", "%d %19s %lf", &a, name, &d));
    say(" %d %s %g\n", a, name, d);
    time_t day = 951782400;
    char date[64];
    strftime(date, sizeof date, "%A %d %B %Y, day %j, week %V", gmtime(&day));
    puts(date);
    puts(setlocale(LC_ALL, "C"));
    fputs("no newline", stdout);
    fprintf(stdout, "%c%s", '\n', "");
    fwrite("bytes\n", 1, 6, stdout);
    srand(7);
    int same = rand();
    srand(7);
    printf("%d %d\n", same == rand(), argc >= 1 && argv[argc] == NULL);
    ldiv_t q = ldiv(-17, 5);
    printf("%ld %ld %d\n", q.quot, q.rem, abs(-3));
    memset(name, 'z', 19), name[19] = 0;
    memmove(name + 1, name, 4), memcpy(name, "ab", 2);
    printf("%s %zu %d\n", name, strcspn(name, "z"), memcmp(name, "abz", 3));
    atexit(at_exit);
    printf("not flushed by a newline");
    exit(7);
}
