// Burrows-Wheeler transform by sorting rotations, move to front, run lengths, and all the way back.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *text;
static int size;
static int rotations(const void *a, const void *b) {
    int i = *(const int *)a, j = *(const int *)b;
    for (int k = 0; k < size; k++) {
        unsigned char x = (unsigned char)text[(i + k) % size], y = (unsigned char)text[(j + k) % size];
        if (x != y) return x < y ? -1 : 1;
    }
    return i - j;
}
static void front(unsigned char *v, int n, int back) {
    unsigned char order[256];
    for (int i = 0; i < 256; i++) order[i] = (unsigned char)i;
    for (int i = 0; i < n; i++) {
        int at = back ? v[i] : (int)((unsigned char *)memchr(order, v[i], 256) - order);
        unsigned char c = order[at];
        memmove(order + 1, order, (size_t)at);
        order[0] = c;
        v[i] = back ? c : (unsigned char)at;
    }
}
static void round_trip(const char *s) {
    text = s;
    size = (int)strlen(s);
    int index[128], primary = 0;
    unsigned char last[129];
    for (int i = 0; i < size; i++) index[i] = i;
    qsort(index, (size_t)size, sizeof *index, rotations);
    for (int i = 0; i < size; i++) {
        last[i] = (unsigned char)s[(index[i] + size - 1) % size];
        if (index[i] == 0) primary = i;
    }
    last[size] = 0;
    printf("%s @%d\n", (char *)last, primary);
    front(last, size, 0);
    int runs = 0;
    for (int i = 0; i < size;) {
        int j = i;
        while (j < size && last[j] == last[i]) j++;
        printf("%dx%d ", last[i], j - i);
        i = j;
        runs++;
    }
    printf("= %d runs\n", runs);
    front(last, size, 1);
    int count[257] = {0}, next[128];
    for (int i = 0; i < size; i++) count[last[i] + 1]++;
    for (int i = 0; i < 256; i++) count[i + 1] += count[i];
    for (int i = 0; i < size; i++) next[count[last[i]]++] = i;
    for (int i = 0, p = next[primary]; i < size; i++, p = next[p]) putchar(last[p]);
    putchar('\n');
}
int main(void) {
    round_trip("banana");
    round_trip("abracadabra abracadabra");
    round_trip("six mixed pixies sift sixty pixie dust boxes");
    return 0;
}
