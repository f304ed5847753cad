/* Calls every function of both headers and checks what it does: runtime_test.rs.
 * The first argument says what to do. */
#include <jit_runtime.h>
#include <runtime.h>

static int failures;

static void say_number(uint64_t number) {
    char digits[21];
    int at = 20;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    vga_puts(digits + at);
}

static void check_at(int holds, const char *what, int line) {
    if (holds)
        return;
    failures++;
    vga_puts("wrong in line ");
    say_number((uint64_t)line);
    vga_puts(": ");
    vga_puts(what);
    vga_puts("\n");
}
#define CHECK(condition) check_at((condition) != 0, #condition, __LINE__)

static int is(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int holds_name(const char *names, int64_t bytes, const char *name) {
    for (int64_t at = 0; at < bytes;) {
        if (is(names + at, name))
            return 1;
        while (names[at++])
            ;
    }
    return 0;
}

static void screen(void) {
    vga_init();
    vga_set_color(VGA_LIGHT_RED, VGA_BLUE);
    vga_puts("red on blue");
    vga_set_color(VGA_LIGHT_GREY, VGA_BLACK);
    vga_clear();
    vga_set_cursor(4, 9);
    vga_show_cursor(0);
    vga_putc('*');
    vga_show_cursor(1);
    vga_set_cursor(-1, 1000);
    vga_putc('\n');
    serial_init();
    serial_puts("serial line\n");
    serial_putc('!');
    serial_putc('\n');
}

static void memory(void) {
    static char a[64], b[64];
    memset(a, 7, sizeof a);
    memcpy(b, a, sizeof b);
    CHECK(memcmp(a, b, sizeof a) == 0);
    a[3] = 1;
    memmove(a + 1, a, 10);
    CHECK(a[4] == 1 && memcmp(a, b, sizeof a) < 0);
    CHECK(strlen("four") == 4);
}

static void processors(void) {
    uint64_t before = cpu_rdtsc();
    uint32_t leaf[4];
    cpu_cpuid(0, 0, leaf);
    CHECK(leaf[0] >= 1);
    cpu_cpuid(1, 0, leaf);
    CHECK(leaf[3] & 1 << 26); /* SSE2: every x86-64 */
    CHECK(((cpu_features() & CPU_SSE4_1) != 0) == ((leaf[2] >> 19 & 1) != 0));
    CHECK(cpu_rdtsc() > before);
    CHECK(cpu_count() >= 1 && cpu_count() <= 256);
}

static void clocks(void) {
    uint64_t start = time_ns();
    time_sleep_ns(2000000);
    CHECK(time_ns() - start >= 2000000);
    CHECK(time_unix_ns() > 1577836800000000000u); /* 2020 */
}

static void files(void) {
    char buffer[64], names[512];
    CHECK(folder_create("/test") == 0);
    CHECK(folder_create("/test") == -17);
    int file = file_open("/test/data.txt", FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE);
    CHECK(file >= 0);
    CHECK(file_write(file, "hello world", 11) == 11);
    CHECK(file_seek(file, -5, FILE_END) == 6);
    CHECK(file_write(file, "there", 5) == 5);
    CHECK(file_seek(file, 0, FILE_START) == 0);
    CHECK(file_read(file, buffer, sizeof buffer) == 11);
    CHECK(memcmp(buffer, "hello there", 11) == 0);
    CHECK(file_seek(file, -4, FILE_CURRENT) == 7);
    CHECK(file_seek(file, -1, FILE_START) == -22 && file_seek(file, 0, 3) == -22);
    CHECK(file_resize(file, 5) == 0 && file_size(file) == 5);
    CHECK(file_read(file, buffer, sizeof buffer) == 0);
    CHECK(file_sync(file) == 0);
    CHECK(file_close(file) == 0);
    CHECK(file_close(file) == -9 && file_read(file, buffer, 1) == -9 && file_size(-1) == -9);
    CHECK(file_open("/test/data.txt", FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE) == -17);
    CHECK(file_open("/test/none", FILE_READ) == -2 && file_open("/test", FILE_READ) == -21);
    CHECK(file_open("/test/data.txt", FILE_CREATE) == -22);
    file = file_open("/test/data.txt", FILE_READ);
    CHECK(file_read(file, buffer, sizeof buffer) == 5 && memcmp(buffer, "hello", 5) == 0);
    CHECK(file_write(file, "x", 1) == -13 && file_resize(file, 0) == -13);
    CHECK(file_close(file) == 0);
    file = file_open("/test/other.txt", FILE_WRITE | FILE_CREATE | FILE_TRUNCATE);
    CHECK(file_write(file, "x", 1) == 1 && file_close(file) == 0);
    CHECK(file_rename("/test/other.txt", "/test/data.txt") == 0);
    CHECK(file_rename("/test/other.txt", "/test/data.txt") == -2);
    CHECK(folder_create("/test/sub") == 0);
    int64_t bytes = file_list("/test", names, sizeof names);
    CHECK(bytes == 9 + 5);
    CHECK(holds_name(names, bytes, "data.txt") && holds_name(names, bytes, "sub/"));
    CHECK(file_list("/test", names, 0) == bytes);
    CHECK(file_list("/none", names, sizeof names) == -2);
    CHECK(file_list("/test/data.txt", names, sizeof names) == -20);
    CHECK(file_remove("/test") == -39);
    CHECK(file_remove("/test/sub") == 0 && file_remove("/test/data.txt") == 0);
    CHECK(file_remove("/test") == 0 && file_remove("/test") == -2);
}

static uint64_t squares[1000];
static void square(void *context, uint64_t i) {
    (void)context;
    squares[i] = i * i;
}

static uint32_t lock;
static uint64_t counter;
static void count(void *context) {
    for (int i = 0; i < 1000; i++) {
        mutex_lock(&lock);
        counter += *(uint64_t *)context;
        mutex_unlock(&lock);
        if (i % 100 == 0)
            thread_yield();
    }
}

static void threads(void) {
    squares[9] = 1;
    parallel_for(10, 1000, square, NULL);
    uint64_t sum = 0;
    for (int i = 0; i < 1000; i++)
        sum += squares[i];
    CHECK(squares[9] == 1 && sum == 332833500 - 285 + 1);
    parallel_for(5, 5, square, NULL);
    uint64_t step = 3;
    int64_t thread[4];
    for (int i = 0; i < 4; i++)
        thread[i] = thread_create(count, &step);
    for (int i = 0; i < 4; i++)
        CHECK(thread[i] > 0 && thread_join(thread[i]) == 0);
    CHECK(counter == 4 * 1000 * step);
    CHECK(thread_join(thread[0]) == -9 && thread_join(-1) == -9);
}

static void randoms(void) {
    random_seed(42);
    uint64_t first = random_u64(), second = random_u64();
    /* SplitMix64's own first numbers for this seed. */
    CHECK(first == 13679457532755275413u && second == 2949826092126892291u);
    random_seed(42);
    CHECK(random_u64() == first);
    int seen[6] = {0};
    for (int i = 0; i < 600; i++)
        seen[random_below(6)]++;
    for (int i = 0; i < 6; i++)
        CHECK(seen[i] > 50);
    CHECK(random_below(0) == 0 && random_below(1) == 0);
}

__attribute__((noinline)) int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

static void engine(void) {
    for (int i = 0; i < 3; i++) {
        jit_profile_begin("region");
        CHECK(fibonacci(16) == 987);
        jit_profile_end("region");
    }
    CHECK(jit_set_threshold(10, 20, 30) == 0);
    CHECK(jit_set_threshold(0, 1, 2) == -22 && jit_set_threshold(3, 2, 9) == -22 && jit_set_threshold(1, 9, 8) == -22);
    CHECK(fibonacci(10) == 55);
    int optimized = jit_optimize_hot_functions();
    CHECK(optimized >= 0 && jit_get_optimization_level("fibonacci") == 3);
    CHECK(fibonacci(10) == 55);
    if (jit_get_call_count("fibonacci") == 0) { /* exported: there is no engine */
        CHECK(jit_get_call_count("region") == 0 && jit_get_avg_cycles("region") == 0 && optimized == 0);
        return;
    }
    CHECK(jit_get_call_count("fibonacci") > 1000);
    CHECK(jit_get_call_count("region") == 3 && jit_get_avg_cycles("region") > 1000);
    CHECK(jit_get_call_count("nothing") == 0 && jit_get_avg_cycles("nothing") == 0);
    CHECK(jit_get_optimization_level("nothing") == JIT_UNKNOWN);
}

static int keys(void) {
    vga_puts("press\n");
    int key = keyboard_getchar();
    say_number((uint64_t)key);
    vga_puts(" pressed\n");
    key = serial_getchar();
    say_number((uint64_t)key);
    vga_puts(" received\n");
    return keyboard_poll(1000000) == RUNTIME_NOTHING ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc > 1 && is(argv[1], "exit"))
        runtime_exit(5);
    if (argc > 1 && is(argv[1], "keys"))
        return keys();
    if (argc > 1 && is(argv[1], "no-keys"))
        return keyboard_getchar() == RUNTIME_END && serial_getchar() == RUNTIME_END && keyboard_poll(0) == RUNTIME_END ? 0 : 1;
    screen();
    memory();
    processors();
    clocks();
    files();
    threads();
    randoms();
    engine();
    CHECK(runtime_interrupted() == 0);
    vga_puts(failures ? "runtime.h is wrong\n" : "runtime.h is right\n");
    return failures != 0;
}
