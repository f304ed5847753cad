// Memory from many threads: pages are unmapped on one processor while the other runs, and nobody sees stale data.
// exit: 0
// expect: ok allocating threads
// expect: ok shootdown
#include "check.h"

enum { THREADS = 4 };

static void *churn(void *who) {
    unsigned seed = (unsigned)(intptr_t)who;
    for (int round = 0; round < 100; round++) {
        size_t pages = 1 + (unsigned)rand_r(&seed) % 64;
        unsigned char *at = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(at != MAP_FAILED);
        for (size_t i = 0; i < pages; i++) {
            CHECK(at[i * 4096] == 0);
            at[i * 4096] = (unsigned char)seed;
        }
        char *heap = malloc((unsigned)rand_r(&seed) % 20000 + 1);
        CHECK(heap);
        *heap = 1;
        CHECK(munmap(at, pages * 4096) == 0);
        free(heap);
    }
    return NULL;
}

static unsigned char *volatile page;
static volatile int stop;

/* Reads a page that is remapped all the time: it sees zero or the number of a round, never foreign data. */
static void *watch(void *unused) {
    while (!stop) {
        unsigned char *at = page;
        if (at) {
            unsigned char value = *at;
            CHECK(value == 0 || value == 0x77);
        }
    }
    return unused;
}

int main(void) {
    pthread_t threads[THREADS];
    for (long i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    ok("allocating threads");

    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    CHECK(pthread_create(&threads[0], NULL, watch, NULL) == 0);
    for (int round = 0; round < 200; round++) {
        CHECK(madvise(page, 4096, MADV_DONTNEED) == 0);
        /* The frame just freed goes to somebody else, who writes to it. */
        unsigned char *other = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK(other != MAP_FAILED);
        memset(other, 0xEE, 4096);
        *page = 0x77;
        CHECK(munmap(other, 4096) == 0);
    }
    stop = 1;
    CHECK(pthread_join(threads[0], NULL) == 0);
    ok("shootdown");
    return 0;
}
