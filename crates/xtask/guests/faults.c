/* A guest that goes wrong by request: faults_test.rs. Lines it looks for end in a comment with their name. */
#include <stddef.h>
#include <stdint.h>

void bf_console_write(const char *text, size_t length);
void *bf_alloc(size_t size, size_t align);
void bf_sleep_ns(uint64_t ns);
ptrdiff_t bf_console_read(char *line, size_t capacity);
int64_t bf_thread_start(void (*work)(void *), void *context);
int64_t bf_thread_join(int64_t thread);

static volatile uint64_t kept;

static int is(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

/* Often with what is right, so that tiers climb, then with what is not. */
static int turns = 200000;

static __attribute__((noinline)) int quotient(int a, int b) {
    return a / b; /* divide */
}

static int divide(void) {
    int sum = 0;
    for (int i = 0; i < turns; i++)
        sum += quotient(i, i | 1);
    return sum + quotient(sum, (int)(kept & 0)); /* divide-call */
}

static inline int put(int *to, int value) {
    *to = value; /* null */
    return value + 1;
}

static __attribute__((noinline)) int store(int *to, int value) {
    return put(to, value) * 3; /* null-inlined */
}

static int null_store(void) {
    int place, sum = 0;
    for (int i = 0; i < turns; i++)
        sum += store(&place, i);
    return sum + store((int *)(uintptr_t)(kept & 0), 1);
}

/* Each called a few times only: who interprets measures such calls. */
static __attribute__((noinline)) int walk(int *to, int depth) {
    kept++;
    if (depth == 0)
        return store(to, depth) + 1; /* walk-end */
    return walk(to, depth - 1) * 2; /* walk-on */
}

static int one(int x) { return x + 1; }

static __attribute__((noinline)) int through(int (*f)(int), int x) {
    int got = f(x); /* null-call */
    kept += (uint64_t)got;
    return got;
}

static int null_call(void) {
    int sum = 0;
    for (int i = 0; i < turns; i++)
        sum += through(one, i);
    return sum + through((int (*)(int))(uintptr_t)(kept & 0 & (uint64_t)sum), 1);
}

static __attribute__((noinline)) uint64_t deeper(uint64_t depth) { /* recurse-begin */
    volatile uint64_t here[4] = {depth, kept};
    uint64_t below = deeper(depth + 1); /* recurse */
    return below + here[depth & 3];     /* recurse-end */
}

static __attribute__((noinline)) void fill(char *memory, size_t size) {
    for (size_t i = 0; i < size; i += 4096)
        memory[i] = 1; /* memory */
}

static int memory(void) {
    for (;;)
        fill(bf_alloc(1 << 20, 4096), 1 << 20);
}

static __attribute__((noinline)) void spin(void) {
    while (kept != 1) /* spin-begin */
        kept += 2;    /* spin-end */
}

static void wait_in_thread(void *context) {
    (void)context;
    spin();
}

static int join(void) {
    return (int)bf_thread_join(bf_thread_start(wait_in_thread, 0)); /* join */
}

/* A second and a half of work, with a word now and then, a long sleep, and a wait for input: nothing to complain of. */
static int busy(void) {
    char line[8];
    for (int i = 0; i < 6; i++) {
        bf_sleep_ns(400000000);
        bf_console_write(".", 1);
    }
    bf_sleep_ns(1500000000);
    bf_console_write("\nbusy\n", 6);
    return bf_console_read(line, sizeof line) >= 0;
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    if (is(what, "main"))
        return 100 / (int)kept; /* main */
    if (is(what, "divide"))
        return divide();
    if (is(what, "null"))
        return null_store();
    if (is(what, "walk"))
        return walk((int *)(uintptr_t)(kept & 0), 3); /* walk-begin */
    if (is(what, "null-call"))
        return null_call();
    if (is(what, "recurse"))
        return (int)deeper(0);
    if (is(what, "memory"))
        return memory();
    if (is(what, "spin"))
        spin();
    if (is(what, "join"))
        return join();
    if (is(what, "busy"))
        return busy();
    return 1;
}
