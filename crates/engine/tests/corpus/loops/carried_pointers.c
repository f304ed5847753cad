// Loops that carry pointers: into stack arrays, lists on the stack, two ends, pointers to pointers, strings.
#include <stdint.h>
#include <stdio.h>
#include <string.h>

struct node {
    int value;
    struct node *next;
};
static void reverse(char *s) {
    for (char *a = s, *b = s + strlen(s) - 1; a < b; a++, b--) {
        char t = *a;
        *a = *b;
        *b = t;
    }
}
static struct node *sort(struct node *list) {
    struct node *sorted = 0;
    while (list) {
        struct node *n = list, **p = &sorted;
        list = list->next;
        while (*p && (*p)->value < n->value) p = &(*p)->next;
        n->next = *p;
        *p = n;
    }
    return sorted;
}
static long walk(int n) {
    int v[64], *p = v, *end = v + 64, *marks[8];
    int **m = marks;
    for (int i = 0; i < 64; i++) v[i] = i * n % 17;
    long sum = 0;
    while (p < end) {
        if (*p % 9 == 0 && m < marks + 8) *m++ = p;
        sum = sum * 5 % 1000003 + *p;
        p += 1 + *p % 3;
    }
    while (m > marks) {
        int *q = *--m;
        **m += 100;
        sum += *q + (q - v);
    }
    for (int *a = v, *b = end - 1; a < b;) {
        if (*a < *b)
            sum ^= *a++;
        else
            sum += *b--;
    }
    return sum;
}
static int words(char *text, char **out) {
    int n = 0;
    for (char *p = text; *p;) {
        while (*p == ' ') *p++ = 0;
        if (!*p) break;
        out[n++] = p;
        while (*p && *p != ' ') p++;
    }
    return n;
}
int main(void) {
    for (int n = 1; n < 40; n += 6) printf("%ld ", walk(n));
    putchar('\n');
    struct node nodes[30], *list = 0;
    for (int i = 0; i < 30; i++) {
        nodes[i] = (struct node){i * 17 % 31, list};
        list = &nodes[i];
    }
    list = sort(list);
    for (struct node *n = list; n; n = n->next) printf("%d@%td ", n->value, n - nodes);
    struct node *back = 0;
    for (struct node *n = list, *next; n; n = next) {
        next = n->next;
        n->next = back;
        back = n;
    }
    printf("\n%d %d\n", back->value, back->next->value);
    struct node *slow = back, *fast = back;
    while (fast && fast->next) slow = slow->next, fast = fast->next->next;
    printf("middle %d\n", slow->value);
    char text[] = "  one two   three four five   ", *parts[8];
    int n = words(text, parts);
    for (char **p = parts; p < parts + n; p++) {
        reverse(*p);
        printf("%s,", *p);
    }
    const char *best = parts[0];
    for (int i = 1; i < n; i++)
        if (strcmp(parts[i], best) > 0) best = parts[i];
    printf(" %s\n", best);
    return 0;
}
