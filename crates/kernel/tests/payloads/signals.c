// Signals: handlers, masks, alternate stacks, vector state, interrupted calls, faults.
// exit: 0
// expect: ok raise
// expect: ok mask
// expect: ok faults
// expect: ok stack overflow on an alternate stack
// expect: ok interrupted call
// expect: ok vector registers survive
#include "check.h"
#include <setjmp.h>

static volatile sig_atomic_t caught, last, was_interrupted;
static sigjmp_buf back;

static void note(int signal) {
    caught++;
    last = signal;
}

static void escape(int signal) {
    last = signal;
    siglongjmp(back, 1);
}

static void spoil(int signal) {
    caught++;
    (void)signal;
    asm volatile("pcmpeqd %%xmm0, %%xmm0\n\tmovdqa %%xmm0, %%xmm1\n\tmovdqa %%xmm0, %%xmm15" ::
                     : "xmm0", "xmm1", "xmm15");
}

static void handle(int signal, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
    CHECK(sigaction(signal, &action, NULL) == 0);
}

static int deep(volatile int depth) {
    volatile char frame[1024];
    frame[0] = (char)depth;
    return deep(depth + 1) + frame[0];
}

static void *overflow(void *unused) {
    static char alternate[65536];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    CHECK(sigaltstack(&stack, NULL) == 0);
    if (!sigsetjmp(back, 1))
        deep(0);
    CHECK(last == SIGSEGV);
    return unused;
}

/* Again and again: the first signal may come before the call that it is to interrupt. */
static void *disturb(void *target) {
    struct timespec nap = {0, 50 * 1000 * 1000};
    while (!was_interrupted) {
        nanosleep(&nap, NULL);
        CHECK(pthread_kill(*(pthread_t *)target, SIGUSR1) == 0);
    }
    return NULL;
}

int main(void) {
    handle(SIGUSR1, note, 0);
    CHECK(raise(SIGUSR1) == 0 && caught == 1 && last == SIGUSR1);
    signal(SIGUSR2, SIG_IGN);
    CHECK(raise(SIGUSR2) == 0 && kill(getpid(), 0) == 0);
    ok("raise");

    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0 && raise(SIGUSR1) == 0 && caught == 1);
    sigset_t pending;
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1));
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && caught == 2);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0 && raise(SIGUSR1) == 0 && caught == 2);
    CHECK(sigsuspend(&old) == -1 && errno == EINTR && caught == 3);
    CHECK(raise(SIGUSR1) == 0 && caught == 3); /* blocked again */
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && caught == 4);
    ok("mask");

    handle(SIGSEGV, escape, 0);
    handle(SIGFPE, escape, 0);
    handle(SIGILL, escape, 0);
    if (!sigsetjmp(back, 1))
        *(volatile int *)16 = 1;
    CHECK(last == SIGSEGV);
    volatile int zero = 0;
    if (!sigsetjmp(back, 1))
        zero = 7 / zero;
    CHECK(last == SIGFPE);
    if (!sigsetjmp(back, 1))
        asm volatile("ud2");
    CHECK(last == SIGILL);
    if (!sigsetjmp(back, 1))
        ((void (*)(void))0x123456)();
    CHECK(last == SIGSEGV);
    ok("faults");

    handle(SIGSEGV, escape, SA_ONSTACK);
    pthread_t thread;
    last = 0;
    CHECK(pthread_create(&thread, NULL, overflow, NULL) == 0 && pthread_join(thread, NULL) == 0);
    ok("stack overflow on an alternate stack");

    pthread_t self = pthread_self();
    CHECK(pthread_create(&thread, NULL, disturb, &self) == 0);
    struct timespec nap = {5, 0}, left;
    CHECK(nanosleep(&nap, &left) == -1 && errno == EINTR && left.tv_sec < 5);
    was_interrupted = 1;
    CHECK(pthread_join(thread, NULL) == 0 && caught >= 5);
    ok("interrupted call");

    handle(SIGUSR1, spoil, 0);
    int before = caught;
    double values[2] = {1.25, -3.5}, after[6];
    asm volatile("movupd %1, %%xmm0\n\tmovapd %%xmm0, %%xmm1\n\tmovapd %%xmm0, %%xmm15\n\t"
                 "mov $234, %%eax\n\tmov %2, %%edi\n\tmov %3, %%esi\n\tmov $10, %%edx\n\tsyscall\n\t"
                 "movupd %%xmm0, %0\n\tmovupd %%xmm1, 16%0\n\tmovupd %%xmm15, 32%0"
                 : "=m"(after)
                 : "m"(values), "r"(getpid()), "r"((int)syscall(SYS_gettid))
                 : "rax", "rdi", "rsi", "rdx", "rcx", "r11", "xmm0", "xmm1", "xmm15", "memory");
    CHECK(caught == before + 1);
    for (int i = 0; i < 6; i++)
        CHECK(after[i] == values[i % 2]);
    ok("vector registers survive");
    return 0;
}
