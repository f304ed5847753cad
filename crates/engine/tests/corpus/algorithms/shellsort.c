// Shell sort, comb sort, selection sort, gnome sort and bubble sort give the same order.
#include <stdio.h>
#include <string.h>

#define N 160
typedef void sorter(short *, int);
static long moves;
static void swap(short *a, short *b) {
    short t = *a;
    *a = *b;
    *b = t;
    moves++;
}
static void shell(short *v, int n) {
    static const int gaps[] = {701, 301, 132, 57, 23, 10, 4, 1};
    for (int g = 0; g < 8; g++)
        for (int i = gaps[g]; i < n; i++)
            for (int j = i; j >= gaps[g] && v[j - gaps[g]] > v[j]; j -= gaps[g]) swap(&v[j], &v[j - gaps[g]]);
}
static void comb(short *v, int n) {
    int gap = n, again = 1;
    while (gap > 1 || again) {
        gap = gap * 10 / 13;
        if (gap < 1) gap = 1;
        again = 0;
        for (int i = 0; i + gap < n; i++)
            if (v[i] > v[i + gap]) swap(&v[i], &v[i + gap]), again = 1;
    }
}
static void selection(short *v, int n) {
    for (int i = 0; i < n - 1; i++) {
        int least = i;
        for (int j = i + 1; j < n; j++)
            if (v[j] < v[least]) least = j;
        if (least != i) swap(&v[i], &v[least]);
    }
}
static void gnome(short *v, int n) {
    for (int i = 1; i < n;)
        if (i == 0 || v[i - 1] <= v[i])
            i++;
        else
            swap(&v[i], &v[i - 1]), i--;
}
static void bubble(short *v, int n) {
    for (int done = 0; !done && n > 1; n--) {
        done = 1;
        for (int i = 1; i < n; i++)
            if (v[i - 1] > v[i]) swap(&v[i - 1], &v[i]), done = 0;
    }
}
int main(void) {
    static const struct {
        const char *name;
        sorter *sort;
    } all[] = {{"shell", shell}, {"comb", comb}, {"selection", selection}, {"gnome", gnome}, {"bubble", bubble}};
    short original[N], v[N], first[N];
    for (int i = 0; i < N; i++) original[i] = (short)((i * 7919 + 13) % 1009 - 500);
    for (unsigned k = 0; k < sizeof all / sizeof *all; k++) {
        memcpy(v, original, sizeof v);
        moves = 0;
        all[k].sort(v, N);
        if (k == 0) memcpy(first, v, sizeof v);
        printf("%-10s %6ld swaps, same %d, %d..%d\n", all[k].name, moves, memcmp(v, first, sizeof v) == 0, v[0], v[N - 1]);
    }
    return 0;
}
