/* A guest that does one thing by request: each test of guests.rs names it by its first argument. */
#include <stddef.h>
#include <stdint.h>

void bf_console_write(const char *text, size_t length);
ptrdiff_t bf_console_read(char *line, size_t capacity);
void *bf_alloc(size_t size, size_t align);
void bf_free(void *memory, size_t size, size_t align);
int64_t bf_file_open(const char *path, size_t length);
int64_t bf_file_size(int64_t file);
int64_t bf_file_read(int64_t file, uint64_t offset, void *buffer, size_t length);
void bf_file_close(int64_t file);
uint64_t bf_time_ns(void);
uint32_t bf_cpu_count(void);
void bf_parallel(uint32_t threads, void (*work)(void *, uint32_t, uint32_t), void *context);
_Noreturn void bf_exit(int code);

static size_t length_of(const char *text) {
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

static void print(const char *text) { bf_console_write(text, length_of(text)); }

static void print_number(uint64_t number) {
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    bf_console_write(digits + at, sizeof digits - at);
}

static void say(const char *what, uint64_t number) {
    print(what);
    print(" ");
    print_number(number);
    print("\n");
}

static int is(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int exit_code(const char *text) {
    int code = 0;
    while (*text)
        code = code * 10 + *text++ - '0';
    bf_exit(code);
}

static int echo(void) {
    char line[64];
    print("ready\n");
    for (;;) {
        ptrdiff_t length = bf_console_read(line, sizeof line);
        if (length == -1) {
            print("end of input\n");
            return 0;
        }
        if (length < 0) {
            say("interrupted, error", (uint64_t)-length);
            continue;
        }
        print("<");
        bf_console_write(line, (size_t)length);
        print(">\n");
    }
}

static int file(const char *path) {
    int64_t handle = bf_file_open(path, length_of(path));
    if (handle < 0) {
        say("error", (uint64_t)-handle);
        return 1;
    }
    uint64_t size = (uint64_t)bf_file_size(handle), sum = 0, at = 0;
    static unsigned char buffer[65536];
    while (at < size) {
        int64_t count = bf_file_read(handle, at, buffer, sizeof buffer);
        if (count <= 0)
            return 2;
        for (int64_t i = 0; i < count; i++)
            sum = sum * 31 + buffer[i];
        at += (uint64_t)count;
    }
    if (bf_file_read(handle, size, buffer, 1) != 0)
        return 3;
    bf_file_close(handle);
    say("bytes", size);
    say("sum", sum);
    return 0;
}

/* Takes memory until it is refused, touches all of it, gives it back, and takes it again. */
static int memory(void) {
    enum { STEP = 16 << 20, MOST = 4096 };
    static char *pieces[MOST];
    for (int round = 0; round < 2; round++) {
        int count = 0;
        while (count < MOST && (pieces[count] = bf_alloc(STEP, 4096))) {
            for (size_t i = 0; i < STEP; i += 4096)
                pieces[count][i] = (char)count;
            count++;
        }
        if (count == MOST || count == 0)
            return 1;
        for (int i = 0; i < count; i++) {
            if (pieces[i][STEP - 4096] != (char)i)
                return 2;
            bf_free(pieces[i], STEP, 4096);
        }
    }
    print("refused, given back, taken again\n");
    return 0;
}

static volatile uint64_t turns;
static void work(void *context, uint32_t index, uint32_t threads) {
    (void)threads;
    for (int i = 0; i < 100000; i++)
        __atomic_fetch_add((uint64_t *)context, index + 1, __ATOMIC_RELAXED);
}

static _Thread_local uint64_t own = 5;
static _Thread_local uint64_t list[3];

static void count_own(void *context, uint32_t index, uint32_t threads) {
    (void)threads;
    uint64_t before = own;
    for (int i = 0; i < 1000; i++) {
        own += index + 1;
        list[i % 3]++;
    }
    /* Workers stay, so what they count goes on; no other thread's counts are in it. */
    uint64_t sum = list[0] + list[1] + list[2];
    if (own - before != 1000ull * (index + 1) || own != 5 + sum * (index + 1))
        __atomic_fetch_add((uint64_t *)context, 1, __ATOMIC_RELAXED);
}

static int thread_local(void) {
    uint64_t wrong = 0;
    for (int round = 0; round < 3; round++)
        bf_parallel(2, count_own, &wrong);
    say("wrong", wrong);
    say("first", own);
    return wrong != 0;
}

static int parallel(void) {
    uint64_t total = 0, expected = 0;
    uint32_t threads = bf_cpu_count();
    for (uint32_t i = 0; i < threads; i++)
        expected += 20ull * 100000 * (i + 1);
    for (int round = 0; round < 20; round++)
        bf_parallel(threads, work, &total);
    say("threads", threads);
    print(total == expected ? "sum is right\n" : "sum is wrong\n");
    return total != expected;
}

/* A second by the clock must be a second's worth of work, not nothing and not for ever. */
static int clock_runs(void) {
    uint64_t start = bf_time_ns(), last = start;
    while (last - start < 100000000) {
        uint64_t now = bf_time_ns();
        if (now < last)
            return 1;
        last = now;
        turns++;
    }
    print(turns > 10 ? "time passes\n" : "time jumps\n");
    return turns <= 10;
}

static double series(int terms) {
    double sum = 0;
    for (int i = 0; i < terms; i++)
        sum += (i & 1 ? -4.0 : 4.0) / (2 * i + 1);
    return sum;
}

#pragma clang diagnostic ignored "-Winfinite-recursion"
static __attribute__((noinline)) int recurse(volatile int depth) {
    volatile char frame[256];
    frame[depth & 255] = 1;
    return recurse(depth + 1) + frame[0];
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    const char *operand = argc > 2 ? argv[2] : "";
    if (is(what, "exit"))
        return exit_code(operand);
    if (is(what, "return"))
        return operand[0] - '0';
    if (is(what, "echo"))
        return echo();
    if (is(what, "file"))
        return file(operand);
    if (is(what, "memory"))
        return memory();
    if (is(what, "parallel"))
        return parallel();
    if (is(what, "thread-local"))
        return thread_local();
    if (is(what, "clock"))
        return clock_runs();
    if (is(what, "float")) {
        say("pi in millionths", (uint64_t)(series(1000000) * 1000000 + 0.5));
        return 0;
    }
    if (is(what, "null"))
        return *(volatile int *)(uintptr_t)(argc - 2 + (operand[0] ? -1 : 0));
    if (is(what, "write-code"))
        *(volatile char *)(uintptr_t)main = 0;
    if (is(what, "divide")) {
        volatile int zero = argc - 2;
        return 77 / zero;
    }
    if (is(what, "recurse"))
        return recurse(argc);
    print("unknown request\n");
    return 9;
}
