// Graphs: Dijkstra with a heap, Floyd-Warshall, Kruskal with union-find, topological order, flood fill.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 20 };
struct edge {
    short from, to, weight;
};
static struct edge edges[120];
static int count;
static int distance[N], heap[400][2], heaped;
static void push(int d, int v) {
    int i = heaped++;
    for (; i && heap[(i - 1) / 2][0] > d; i = (i - 1) / 2) memcpy(heap[i], heap[(i - 1) / 2], sizeof *heap);
    heap[i][0] = d;
    heap[i][1] = v;
}
static int pop(int *d) {
    int v = heap[0][1], last[2], i = 0;
    *d = heap[0][0];
    memcpy(last, heap[--heaped], sizeof last);
    for (int c; (c = 2 * i + 1) < heaped; i = c) {
        if (c + 1 < heaped && heap[c + 1][0] < heap[c][0]) c++;
        if (heap[c][0] >= last[0]) break;
        memcpy(heap[i], heap[c], sizeof *heap);
    }
    memcpy(heap[i], last, sizeof last);
    return v;
}
static void dijkstra(int source) {
    for (int i = 0; i < N; i++) distance[i] = INT_MAX;
    distance[source] = 0;
    push(0, source);
    while (heaped) {
        int d, v = pop(&d);
        if (d > distance[v]) continue;
        for (int e = 0; e < count; e++) {
            if (edges[e].from != v) continue;
            int far = d + edges[e].weight;
            if (far < distance[edges[e].to]) push(distance[edges[e].to] = far, edges[e].to);
        }
    }
}
static int parent[N];
static int find(int x) { return parent[x] == x ? x : (parent[x] = find(parent[x])); }
static int by_weight(const void *a, const void *b) {
    const struct edge *x = a, *y = b;
    if (x->weight != y->weight) return x->weight - y->weight;
    return (x->from * N + x->to) - (y->from * N + y->to);
}
static int fill(char maze[8][13], int y, int x) {
    if (maze[y][x] != '.') return 0;
    maze[y][x] = '~';
    return 1 + fill(maze, y - 1, x) + fill(maze, y + 1, x) + fill(maze, y, x - 1) + fill(maze, y, x + 1);
}
int main(void) {
    for (int i = 0; i < N; i++)
        for (int k = 1; k <= 5; k++) {
            int to = (i * k * 7 + k * 3) % N;
            if (to != i) edges[count++] = (struct edge){(short)i, (short)to, (short)(1 + (i * 13 + to * 7) % 23)};
        }
    dijkstra(0);
    for (int i = 0; i < N; i++) printf("%d ", distance[i] == INT_MAX ? -1 : distance[i]);
    putchar('\n');
    int all[N][N], differ = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) all[i][j] = i == j ? 0 : 1000000;
    for (int e = 0; e < count; e++)
        if (edges[e].weight < all[edges[e].from][edges[e].to]) all[edges[e].from][edges[e].to] = edges[e].weight;
    for (int k = 0; k < N; k++)
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++)
                if (all[i][k] + all[k][j] < all[i][j]) all[i][j] = all[i][k] + all[k][j];
    long total = 0;
    for (int i = 0; i < N; i++) {
        differ += all[0][i] != (distance[i] == INT_MAX ? 1000000 : distance[i]);
        for (int j = 0; j < N; j++) total += all[i][j];
    }
    printf("%ld, %d differ\n", total, differ);
    qsort(edges, (size_t)count, sizeof *edges, by_weight);
    int cost = 0, used = 0;
    for (int i = 0; i < N; i++) parent[i] = i;
    for (int e = 0; e < count; e++) {
        int a = find(edges[e].from), b = find(edges[e].to);
        if (a != b) parent[a] = b, cost += edges[e].weight, used++;
    }
    printf("tree of %d edges costs %d\n", used, cost);
    int indegree[N] = {0}, order[N], n = 0;
    for (int i = 0; i < N; i++)
        for (int j = i + 1; j < N; j++) indegree[(j * 7) % N] += (i * j) % 5 == 1;
    for (int i = 0; i < N; i++)
        if (!indegree[i]) order[n++] = i;
    for (int i = 0; i < n; i++) printf("%d ", order[i]);
    putchar('\n');
    char maze[8][13] = {"############", "#..#....#..#", "#.##.##.#..#", "#....#..####", "####.#.#...#", "#..#.#.###.#", "#..#.......#", "############"};
    for (int y = 0; y < 8; y++)
        for (int x = 0; x < 12; x++) {
            int size = fill(maze, y, x);
            if (size) printf("room of %d at %d,%d\n", size, y, x);
        }
    return 0;
}
