// Standard output in all manners: putc, puts, fwrite, write, setvbuf, string streams, order kept between them.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(FILE *f, const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    vfprintf(f, format, ap);
    va_end(ap);
}
int main(void) {
    static char buffer[256];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    for (int i = 0; i < 60; i++) putchar("0123456789"[i % 10]);
    puts("");
    fputs("fputs ", stdout);
    fputc('c', stdout);
    putc('\n', stdout);
    static const unsigned char block[] = {'b', 'l', 'o', 'c', 'k', 0, '\n'};
    printf("%zu\n", fwrite(block, 1, sizeof block, stdout));
    fflush(stdout);
    if (write(1, "write\n", 6) != 6) return 1;
    say(stdout, "%s %d %.3f\n", "formatted", 7, 0.125);
    char *text = 0;
    size_t size = 0;
    FILE *memory = open_memstream(&text, &size);
    for (int i = 0; i < 5; i++) fprintf(memory, "%d,", i * i);
    fclose(memory);
    printf("%s %zu\n", text, size);
    FILE *reader = fmemopen(text, size, "r");
    int sum = 0, v;
    while (fscanf(reader, "%d,", &v) == 1) sum += v;
    fclose(reader);
    free(text);
    printf("%d\n", sum);
    FILE *temporary = tmpfile();
    if (!temporary) return 2;
    for (int i = 0; i < 100; i++) fwrite(&i, sizeof i, 1, temporary);
    fseek(temporary, 40, SEEK_SET);
    int at = 0;
    if (fread(&at, sizeof at, 1, temporary) != 1) return 3;
    fseek(temporary, -8, SEEK_END);
    long where = ftell(temporary);
    int last[4] = {0};
    size_t got = fread(last, sizeof *last, 4, temporary);
    printf("%d %ld %zu %d %d\n", at, where, got, last[0], last[1]);
    fclose(temporary);
    fprintf(stderr, "this goes elsewhere\n");
    for (int i = 0; i < 300; i++) printf("%c", 'a' + i % 26);
    putchar('\n');
    return 0;
}
