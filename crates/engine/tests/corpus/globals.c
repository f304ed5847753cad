// Variables: initialisers with addresses, arrays of strings, pointers into the middle, tentative ones, weak symbols.
#include <stdio.h>
#include <string.h>

struct node {
    const char *name;
    struct node *next;
    int *slot;
    int (*f)(int);
};
static int values[10] = {[2] = 5, [7] = 9};
static int negate(int x) { return -x; }
static struct node c = {"c", 0, &values[7], negate};
static struct node b = {"b", &c, values + 2, 0};
static struct node a = {"a", &b, &values[0], negate};
int tentative;
extern int weak_and_absent __attribute__((weak));
extern int weak_function(int) __attribute__((weak));
static const char *const words[] = {"zero", "one", "two" + 1, &"three"[2]};
static const double matrix[2][3] = {{1, 2.5, 3}, {4, 5, 6.25}};
static char text[16] = "abc";
static const char *end = text + 16;
static long difference = (char *)&values[9] - (char *)&values[1];
static unsigned char bytes[1 << 16];
static int alias_target = 77;
extern int aliased __attribute__((alias("alias_target")));
int counted(void) {
    static int n = 100;
    return n++;
}

int main(void) {
    for (struct node *p = &a; p; p = p->next) printf("%s %d %d\n", p->name, *p->slot, p->f ? p->f(*p->slot) : 0);
    printf("%d %d %d\n", tentative++, tentative, &weak_and_absent == 0);
    printf("%d\n", weak_function ? weak_function(1) : -1);
    for (int i = 0; i < 4; i++) printf("%s ", words[i]);
    printf("%g %td %ld\n", matrix[1][2] + matrix[0][1], end - text, difference);
    strcat(text, "def");
    memset(bytes, 7, sizeof bytes / 2);
    unsigned sum = 0;
    for (unsigned i = 0; i < sizeof bytes; i++) sum += bytes[i];
    printf("%s %u %d %d %d\n", text, sum, aliased, counted(), counted());
    aliased++;
    printf("%d\n", alias_target);
    fprintf(stdout, "to a stream of the library\n");
    return 0;
}
