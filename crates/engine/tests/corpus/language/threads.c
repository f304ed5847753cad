// Threads: counters under a mutex and without, results, thread-local data, a queue with a condition, a barrier.
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ready = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long plain;
static atomic_long counter;
static _Thread_local int mine = 5;
static int queue[8], head, tail;

static void *count(void *argument) {
    long k = (long)argument, sum = 0;
    for (int i = 0; i < 300; i++) {
        atomic_fetch_add(&counter, k);
        pthread_mutex_lock(&lock);
        plain += k;
        pthread_mutex_unlock(&lock);
        mine += (int)k;
        sum += i * k;
    }
    pthread_barrier_wait(&barrier);
    return (void *)(sum + mine + atomic_load(&counter));
}
static void *consume(void *argument) {
    long *total = argument;
    for (;;) {
        pthread_mutex_lock(&lock);
        while (head == tail) pthread_cond_wait(&ready, &lock);
        int x = queue[tail++ % 8];
        pthread_cond_broadcast(&ready);
        pthread_mutex_unlock(&lock);
        if (x < 0) return argument;
        *total = *total * 31 % 1000003 + x;
    }
}
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int inits;
static void init(void) { inits++; }
static void *call_once(void *x) {
    for (int i = 0; i < 10; i++) pthread_once(&once, init);
    return x;
}
int main(void) {
    pthread_t t[3];
    pthread_barrier_init(&barrier, 0, 3);
    for (long i = 0; i < 3; i++) pthread_create(&t[i], 0, count, (void *)(i + 1));
    for (int i = 0; i < 3; i++) {
        void *r;
        pthread_join(t[i], &r);
        printf("%ld ", (long)r);
    }
    printf("| %ld %ld %d\n", plain, atomic_load(&counter), mine);
    long total = 0;
    pthread_create(&t[0], 0, consume, &total);
    for (int i = 0; i <= 200; i++) {
        pthread_mutex_lock(&lock);
        while (head - tail == 8) pthread_cond_wait(&ready, &lock);
        queue[head++ % 8] = i == 200 ? -1 : i * i;
        pthread_cond_broadcast(&ready);
        pthread_mutex_unlock(&lock);
    }
    void *back;
    pthread_join(t[0], &back);
    printf("%ld %d\n", total, back == &total);
    for (int i = 0; i < 3; i++) pthread_create(&t[i], 0, call_once, 0);
    for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
    printf("%d\n", inits);
    return 0;
}
