/* A guest that uses the heap wrongly by request, or a million times at random: faults_test.rs. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t bf_thread_start(void (*work)(void *), void *context);
int64_t bf_thread_join(int64_t thread);

static volatile size_t size = 40;

static __attribute__((noinline)) void give(char *block) {
    free(block); /* free */
}

static void twice(void) {
    char *block = malloc(size);
    give(block);
    give(block);
}

static void beyond(void) {
    char *block = malloc(size);
    block[size] = 1;
    give(block);
}

enum { OPERATIONS = 500000, BLOCKS = 256 };

struct worker {
    uint64_t state;
    uint64_t wrong;
    char *blocks[BLOCKS];
    size_t sizes[BLOCKS];
};

static uint64_t next(struct worker *w) {
    w->state ^= w->state << 13;
    w->state ^= w->state >> 7;
    w->state ^= w->state << 17;
    return w->state;
}

/* 1 byte to 1 MB: most are small, one in 256 may be large. */
static size_t some_size(struct worker *w) {
    unsigned bits = (unsigned)(next(w) % ((next(w) & 255) == 0 ? 21 : 10));
    return 1 + next(w) % ((size_t)1 << bits);
}

static void mark(struct worker *w, int at) {
    char *block = w->blocks[at];
    block[0] = (char)at;
    block[w->sizes[at] - 1] = (char)at;
}

static void check(struct worker *w, int at, size_t bytes) {
    char *block = w->blocks[at];
    w->wrong += bytes == w->sizes[at] ? block[0] != (char)at || block[bytes - 1] != (char)at : block[0] != (char)at;
}

static void work(void *context) {
    struct worker *w = context;
    for (int i = 0; i < OPERATIONS; i++) {
        int at = (int)(next(w) % BLOCKS);
        if (!w->blocks[at]) {
            w->sizes[at] = some_size(w);
            w->blocks[at] = malloc(w->sizes[at]);
            mark(w, at);
        } else if (next(w) & 1) {
            check(w, at, w->sizes[at]);
            free(w->blocks[at]);
            w->blocks[at] = 0;
        } else {
            size_t fresh = some_size(w);
            check(w, at, w->sizes[at]);
            w->blocks[at] = realloc(w->blocks[at], fresh);
            if (fresh > 1 || w->sizes[at] == 1)
                check(w, at, 0);
            w->sizes[at] = fresh;
            mark(w, at);
        }
    }
    for (int at = 0; at < BLOCKS; at++)
        free(w->blocks[at]);
}

static int at_random(void) {
    static struct worker workers[2] = {{.state = 88172645463325252ull}, {.state = 1234567}};
    int64_t threads[2];
    for (int i = 0; i < 2; i++)
        threads[i] = bf_thread_start(work, &workers[i]);
    for (int i = 0; i < 2; i++)
        bf_thread_join(threads[i]);
    printf("wrong %llu\n", (unsigned long long)(workers[0].wrong + workers[1].wrong));
    return workers[0].wrong + workers[1].wrong != 0;
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    if (!strcmp(what, "twice"))
        twice();
    else if (!strcmp(what, "beyond"))
        beyond();
    else
        return at_random();
    return 0;
}
