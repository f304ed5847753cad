// Dynamic programming: knapsack, coin change, longest increasing run, matrix chain, edit distance.
#include <limits.h>
#include <stdio.h>
#include <string.h>

static int max(int a, int b) { return a > b ? a : b; }
static int min(int a, int b) { return a < b ? a : b; }

static int knapsack(const int *w, const int *v, int n, int capacity) {
    int best[201] = {0};
    for (int i = 0; i < n; i++)
        for (int c = capacity; c >= w[i]; c--) best[c] = max(best[c], best[c - w[i]] + v[i]);
    return best[capacity];
}
static long long coins(const int *coin, int n, int amount) {
    long long ways[501] = {1};
    for (int i = 0; i < n; i++)
        for (int a = coin[i]; a <= amount; a++) ways[a] += ways[a - coin[i]];
    return ways[amount];
}
static int increasing(const int *v, int n) {
    int tail[64], length = 0;
    for (int i = 0; i < n; i++) {
        int low = 0, high = length;
        while (low < high) {
            int mid = (low + high) / 2;
            if (tail[mid] < v[i])
                low = mid + 1;
            else
                high = mid;
        }
        tail[low] = v[i];
        if (low == length) length++;
    }
    return length;
}
static int chain(const int *d, int n) {
    int cost[10][10] = {{0}};
    for (int length = 2; length < n; length++)
        for (int i = 1; i + length - 1 < n; i++) {
            int j = i + length - 1;
            cost[i][j] = INT_MAX;
            for (int k = i; k < j; k++) cost[i][j] = min(cost[i][j], cost[i][k] + cost[k + 1][j] + d[i - 1] * d[k] * d[j]);
        }
    return cost[1][n - 1];
}
static int levenshtein(const char *a, const char *b) {
    int n = (int)strlen(b), row[40];
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; *a; a++, i++) {
        int corner = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int above = row[j];
            row[j] = min(min(above, row[j - 1]) + 1, corner + (*a != b[j - 1]));
            corner = above;
        }
    }
    return row[n];
}
static void subsequence(const char *a, const char *b) {
    static unsigned char table[40][40];
    int n = (int)strlen(a), m = (int)strlen(b);
    for (int i = n - 1; i >= 0; i--)
        for (int j = m - 1; j >= 0; j--)
            table[i][j] = (unsigned char)(a[i] == b[j] ? 1 + table[i + 1][j + 1] : max(table[i + 1][j], table[i][j + 1]));
    for (int i = 0, j = 0; i < n && j < m;)
        if (a[i] == b[j])
            putchar(a[i]), i++, j++;
        else if (table[i + 1][j] >= table[i][j + 1])
            i++;
        else
            j++;
    printf(" %d\n", table[0][0]);
}
int main(void) {
    int w[20], v[20], s[60];
    for (int i = 0; i < 20; i++) w[i] = 3 + i * 7 % 23, v[i] = 10 + i * 13 % 41;
    for (int i = 0; i < 60; i++) s[i] = i * 29 % 61 - i / 3;
    for (int c = 50; c <= 200; c += 50) printf("%d ", knapsack(w, v, 20, c));
    const int coin[] = {1, 2, 5, 10, 20, 50, 100, 200}, dims[] = {30, 35, 15, 5, 10, 20, 25};
    printf("\n%lld %lld\n%d %d\n", coins(coin, 8, 100), coins(coin, 8, 500), increasing(s, 60), chain(dims, 7));
    printf("%d %d %d %d\n", levenshtein("kitten", "sitting"), levenshtein("", "abc"), levenshtein("flaw", "lawn"),
           levenshtein("intention", "execution"));
    subsequence("the quick brown fox", "thick brew of oxen");
    return 0;
}
