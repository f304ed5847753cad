// Threads: mutexes, condition variables with timeouts, barriers, thread-local storage, join, many short lives.
// exit: 0
// expect: ok mutex
// expect: ok condition
// expect: ok timed wait
// expect: ok barrier
// expect: ok thread-local
// expect: ok short lives
// expect: ok robust
#include "check.h"

enum { THREADS = 8, ROUNDS = 20000 };

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter;
static int turn;
static _Thread_local long mine;

static void *add(void *unused) {
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void *ping(void *who) {
    int self = (int)(intptr_t)who;
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&mutex);
        while (turn != self)
            pthread_cond_wait(&condition, &mutex);
        turn = !self;
        pthread_cond_broadcast(&condition);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void *meet(void *unused) {
    for (int i = 0; i < 500; i++) {
        __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED);
        pthread_barrier_wait(&barrier);
        CHECK(__atomic_load_n(&counter, __ATOMIC_RELAXED) == (i + 1) * THREADS);
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

static void *local(void *value) {
    mine = (long)(intptr_t)value;
    for (int i = 0; i < 1000; i++) {
        sched_yield();
        CHECK(mine == (long)(intptr_t)value);
    }
    return (void *)(intptr_t)(mine * 2);
}

static void *nothing(void *value) {
    return value;
}

static pthread_mutex_t robust;

static void *die_holding(void *unused) {
    pthread_mutex_lock(&robust);
    return unused;
}

int main(void) {
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, add, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(counter == (long)THREADS * ROUNDS);
    ok("mutex");

    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&threads[i], NULL, ping, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    ok("condition");

    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 50 * 1000 * 1000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    uint64_t before = now_ns();
    pthread_mutex_lock(&mutex);
    CHECK(pthread_cond_timedwait(&condition, &mutex, &until) == ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
    CHECK(now_ns() - before >= 45 * 1000 * 1000);
    ok("timed wait");

    counter = 0;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, meet, NULL) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    ok("barrier");

    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, local, (void *)(intptr_t)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        CHECK(pthread_join(threads[i], &result) == 0);
        CHECK((intptr_t)result == 2 * (i + 1));
    }
    ok("thread-local");

    for (int i = 0; i < 500; i++) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, nothing, (void *)(intptr_t)i) == 0);
        CHECK(pthread_join(thread, &result) == 0 && (intptr_t)result == i);
    }
    ok("short lives");

    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(&robust, &attributes);
    CHECK(pthread_create(&threads[0], NULL, die_holding, NULL) == 0);
    CHECK(pthread_join(threads[0], NULL) == 0);
    CHECK(pthread_mutex_lock(&robust) == EOWNERDEAD);
    ok("robust");
    return 0;
}
