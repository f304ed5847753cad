// Standard input: characters, lines, numbers and blocks, pushed back, at the end.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    char line[100];
    int a, c, lines = 0, letters = 0;
    double d;
    printf("%d arguments:", argc - 1);
    for (int i = 1; i < argc; i++) printf(" <%s>", argv[i]);
    printf(" %d\n", argv[argc] == 0);
    if (!fgets(line, sizeof line, stdin)) return 1;
    for (char *p = line; *p; p++) letters += isalpha((unsigned char)*p) != 0;
    printf("%zu %d %s", strlen(line), letters, line);
    if (scanf("%d %d %lf", &a, &c, &d) != 3) return 2;
    printf("%d %d %g\n", a, c, d);
    printf("%d\n", scanf("%d", &a) == 1 ? a : -1);
    while ((c = getchar()) != EOF && c != '\n')
        if (isdigit(c)) {
            ungetc(c, stdin);
            if (scanf("%d", &a) == 1) printf("[%d]", a);
        }
    putchar('\n');
    int counts[26] = {0};
    while (fgets(line, 12, stdin)) {
        lines++;
        for (char *p = line; *p; p++)
            if (islower((unsigned char)*p)) counts[*p - 'a']++;
        printf("%d:%zu ", lines, strlen(line));
    }
    putchar('\n');
    for (int i = 0; i < 26; i++)
        if (counts[i]) printf("%c%d ", 'a' + i, counts[i]);
    printf("%d %d\n", feof(stdin) != 0, getchar());
    return 40 + argc;
}
