/* Drives engines of its own: calls every function of the second part of jit_runtime.h and checks what it does: jit_test.rs.
 * The first argument says what to do. */
#include <jit_runtime.h>
#include <runtime.h>

/* The runtime's own memory: the program needs no C library. */
void *bf_alloc(size_t size, size_t align);

static int failures;

static void say_number(int64_t number) {
    char digits[22];
    int at = 21;
    uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (number < 0)
        digits[--at] = '-';
    vga_puts(digits + at);
}

static void check_at(int holds, const char *what, int line) {
    if (holds)
        return;
    failures++;
    vga_puts("wrong in line ");
    say_number(line);
    vga_puts(": ");
    vga_puts(what);
    vga_puts("; last error: ");
    vga_puts(jit_last_error());
    vga_puts("\n");
}
#define CHECK(condition) check_at((condition) != 0, #condition, __LINE__)

static int is(const char *a, const char *b) {
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

static int says(const char *wanted) {
    for (const char *at = jit_last_error(); *at; at++) {
        const char *a = at, *b = wanted;
        while (*b && *a == *b)
            a++, b++;
        if (!*b)
            return 1;
    }
    return 0;
}

static unsigned char *read_file(const char *path, size_t *length) {
    int file = file_open(path, FILE_READ);
    int64_t size = file_size(file);
    CHECK(file >= 0 && size > 0);
    unsigned char *bytes = bf_alloc((size_t)size, 16);
    CHECK(file_read(file, bytes, (size_t)size) == size);
    file_close(file);
    *length = (size_t)size;
    return bytes;
}

__attribute__((noinline)) int host_twice(int x) {
    return 2 * x;
}

typedef int (*int_int)(int);

#define PLUGIN "/plugins/plugin.bc"
#define USER "/plugins/user.llbc"
#define LARGE "/plugins/large.bc"
#define LIMIT ((size_t)8 << 20)

static void loads(void) {
    CHECK(is(jit_last_error(), ""));
    CHECK(jit_create(JIT_LEAST_MEMORY - 1) == JIT_ERROR_ARGUMENT && says("1048576"));
    jit_engine engine = jit_create(LIMIT);
    CHECK(engine > 0);
    jit_statistics s;
    CHECK(jit_get_statistics(engine, &s) == 0);
    CHECK(s.modules == 0 && s.functions == 0 && s.used_bytes == 0 && s.limit_bytes == LIMIT);
    CHECK(jit_list_functions(engine, 0, 0) == 0);

    /* What it imports has to be there. */
    size_t length;
    unsigned char *bytes = read_file(PLUGIN, &length);
    CHECK(jit_load_bitcode(engine, "plugin", bytes, length) == JIT_ERROR_MODULE && says("host_twice"));
    CHECK(jit_define_symbol(engine, "host_twice", (const void *)host_twice) == 0);
    CHECK(jit_define_symbol(engine, "host_twice", (const void *)host_twice) == 0);
    CHECK(jit_define_symbol(engine, "host_twice", &failures) == JIT_ERROR_EXISTS && says("host_twice"));
    CHECK(jit_define_symbol(engine, "nothing", 0) == JIT_ERROR_ARGUMENT);
    CHECK(jit_get_statistics(engine, &s) == 0 && s.used_bytes == 0);
    jit_module plugin = jit_load_bitcode(engine, "plugin", bytes, length);
    CHECK(plugin > 0);
    memset(bytes, 0, length); /* not needed any more */
    CHECK(jit_load_file(engine, PLUGIN) == JIT_ERROR_EXISTS && says("plugin_"));

    int (*add)(int, int) = (int (*)(int, int))jit_find_function(engine, "plugin_add");
    CHECK(add && add(40, 2) == 42);
    int_int four_times = (int_int)jit_find_function(engine, "plugin_four_times");
    CHECK(four_times && four_times(5) == 20);
    double (*scale)(double, float) = (double (*)(double, float))jit_find_function(engine, "plugin_scale");
    CHECK(scale && scale(1.5, 4.0f) == 6.0);
    int (*apply)(int_int, int) = (int (*)(int_int, int))jit_find_function(engine, "plugin_apply");
    CHECK(apply && apply(host_twice, 8) == 17);
    int_int (*negated)(void) = (int_int (*)(void))jit_find_function(engine, "plugin_negated");
    CHECK(negated && negated()(7) == -7 && apply(negated(), 7) == -6);
    CHECK(!jit_find_function(engine, "plugin_counter") && says("plugin_counter"));
    CHECK(!jit_find_function(engine, "negated") && !jit_find_function(engine, "nothing") && says("nothing"));
    CHECK(!jit_find_function(engine, 0) && says("null"));
    CHECK(!jit_find_function(engine, "\xff") && says("UTF-8"));

    /* The second imports from the first. */
    CHECK(jit_load_file(engine, "/plugins/none.bc") == JIT_ERROR_NOT_FOUND && says("none.bc"));
    CHECK(jit_load_file(engine, "/plugins") == -21);
    jit_module user = jit_load_file(engine, USER);
    CHECK(user > 0 && user != plugin);
    int_int sum = (int_int)jit_find_function(engine, "user_sum");
    CHECK(sum && sum(100) == 4950 + 1000);
    CHECK(jit_unload(engine, plugin) == JIT_ERROR_IN_USE && says("user"));

    char names[256];
    int64_t needed = jit_list_functions(engine, names, sizeof names);
    CHECK(needed > 60 && needed < (int64_t)sizeof names && is(names, "plugin_add"));
    const char *last = names;
    int count = 0;
    for (const char *at = names; at < names + needed; count++) {
        last = at;
        while (*at++)
            ;
    }
    CHECK(count == 7 && is(last, "user_sum"));
    memset(names, 'x', sizeof names);
    CHECK(jit_list_functions(engine, names, 12) == needed && is(names, "plugin_add") && names[11] == 'x');
    CHECK(jit_get_statistics(engine, &s) == 0 && s.modules == 2 && s.functions == 7);
    CHECK(s.used_bytes > 1 << 20 && s.used_bytes < LIMIT && s.most_bytes >= s.used_bytes && s.code_bytes > 0);

    CHECK(jit_unload(engine, user) == 0);
    CHECK(jit_unload(engine, user) == JIT_ERROR_HANDLE && says("no module"));
    CHECK(!jit_find_function(engine, "user_sum"));
    uint64_t both = s.used_bytes;
    CHECK(jit_get_statistics(engine, &s) == 0 && s.modules == 1 && s.used_bytes < both);
    CHECK(jit_destroy(engine) == 0);
}

static void levels(void) {
    jit_engine engine = jit_create(LIMIT);
    jit_define_symbol(engine, "host_twice", (const void *)host_twice);
    CHECK(jit_load_file(engine, PLUGIN) > 0);
    unsigned (*fibonacci)(unsigned) = (unsigned (*)(unsigned))jit_find_function(engine, "plugin_fibonacci");
    const char *name = "plugin_fibonacci";
    jit_function_info info;
    CHECK(jit_get_function_info(engine, name, &info) == 0);
    CHECK(info.address == (void *)fibonacci && info.module > 0 && info.level == JIT_INTERPRETED && !info.keeps_level);
    CHECK(info.calls == 0 && info.code_bytes == 0 && info.instructions > 3);
    int (*add)(int, int) = (int (*)(int, int))jit_find_function(engine, "plugin_add");
    for (int i = 0; i < 5; i++)
        CHECK(add(i, i) == 2 * i);
    CHECK(jit_get_function_info(engine, "plugin_add", &info) == 0 && info.calls == 5 && info.avg_cycles > 0);
    for (int i = 0; i < 5; i++) {
        int level = (int[]){3, 0, 2, 1, 3}[i];
        CHECK(jit_recompile(engine, name, level) == 0);
        CHECK(jit_get_function_info(engine, name, &info) == 0);
        CHECK(info.level == level && info.keeps_level && info.code_bytes > 0 && info.address == (void *)fibonacci);
        CHECK(fibonacci(20) == 6765);
    }
    CHECK(jit_recompile(engine, name, 4) == JIT_ERROR_ARGUMENT && says("4 is no level"));
    CHECK(jit_recompile(engine, name, -1) == JIT_ERROR_ARGUMENT);
    CHECK(jit_recompile(engine, "nothing", 2) == JIT_ERROR_NOT_FOUND && says("nothing"));
    CHECK(jit_get_function_info(engine, "nothing", &info) == JIT_ERROR_NOT_FOUND);
    CHECK(jit_get_function_info(engine, name, 0) == JIT_ERROR_ARGUMENT);
    CHECK(jit_get_statistics(engine, 0) == JIT_ERROR_ARGUMENT);

    /* Recorded calls count for what it has earned, but not while it keeps its level. */
    CHECK(jit_recompile(engine, "plugin_add", 0) == 0);
    for (int i = 0; i < 20000; i++)
        jit_record_call(engine, "plugin_add", 7);
    CHECK(jit_get_function_info(engine, "plugin_add", &info) == 0);
    CHECK(info.recorded_calls == 20000 && info.recorded_cycles == 140000);
    CHECK(jit_should_reoptimize(engine, "plugin_add") == 0);
    CHECK(jit_recompile(engine, "plugin_add", JIT_BY_HEAT) == 0);
    CHECK(jit_should_reoptimize(engine, "plugin_add") == 1);
    for (int i = 0; i < 1500; i++)
        jit_record_call(engine, "plugin_scale", 1);
    CHECK(jit_should_reoptimize(engine, "plugin_scale") == 1);
    CHECK(jit_should_reoptimize(engine, "plugin_four_times") == 0);
    CHECK(jit_should_reoptimize(engine, "nothing") == JIT_ERROR_NOT_FOUND);
    CHECK(jit_record_call(engine, "nothing", 1) == JIT_ERROR_NOT_FOUND);
    CHECK(jit_auto_optimize(engine) == 2);
    CHECK(jit_get_function_info(engine, "plugin_add", &info) == 0 && info.level == 3 && !info.keeps_level);
    CHECK(jit_get_function_info(engine, "plugin_scale", &info) == 0 && info.level == 2);
    CHECK(jit_should_reoptimize(engine, "plugin_add") == 0 && jit_auto_optimize(engine) == 0);

    jit_statistics s;
    CHECK(jit_get_statistics(engine, &s) == 0);
    CHECK(s.functions == 6 && s.at_level[3] == 2 && s.at_level[2] == 1 && s.interpreted == 3);
    CHECK(s.compiles >= 8 && s.compile_ns > 1000 && s.recorded_calls == 21500);

    /* It climbs by itself, too, as the program does. */
    CHECK(jit_recompile(engine, name, 0) == 0 && jit_recompile(engine, name, JIT_BY_HEAT) == 0);
    uint64_t start = time_ns();
    do {
        CHECK(fibonacci(20) == 6765);
        jit_get_function_info(engine, name, &info);
    } while (info.level < 3 && time_ns() - start < 60000000000u);
    CHECK(info.level == 3);
    CHECK(jit_destroy(engine) == 0);
}

/* What is gone is refused. */
static void gone(void) {
    jit_engine engine = jit_create(LIMIT);
    jit_define_symbol(engine, "host_twice", (const void *)host_twice);
    jit_module module = jit_load_file(engine, PLUGIN);
    CHECK(module > 0 && jit_destroy(engine) == 0);
    char names[8];
    jit_function_info info;
    jit_statistics s;
    for (int i = 0; i < 2; i++) {
        jit_engine none = i ? engine : 1234567;
        CHECK(jit_destroy(none) == JIT_ERROR_HANDLE && says("destroyed"));
        CHECK(jit_load_bitcode(none, "x", "x", 1) == JIT_ERROR_HANDLE);
        CHECK(jit_load_file(none, PLUGIN) == JIT_ERROR_HANDLE);
        CHECK(jit_unload(none, module) == JIT_ERROR_HANDLE);
        CHECK(jit_define_symbol(none, "x", &s) == JIT_ERROR_HANDLE);
        CHECK(!jit_find_function(none, "plugin_add"));
        CHECK(jit_recompile(none, "plugin_add", 3) == JIT_ERROR_HANDLE);
        CHECK(jit_get_function_info(none, "plugin_add", &info) == JIT_ERROR_HANDLE);
        CHECK(jit_list_functions(none, names, sizeof names) == JIT_ERROR_HANDLE);
        CHECK(jit_record_call(none, "plugin_add", 1) == JIT_ERROR_HANDLE);
        CHECK(jit_should_reoptimize(none, "plugin_add") == JIT_ERROR_HANDLE);
        CHECK(jit_auto_optimize(none) == JIT_ERROR_HANDLE);
        CHECK(jit_get_statistics(none, &s) == JIT_ERROR_HANDLE);
    }
}

/* The limit holds, and unloading gives everything back. */
static void memory(int rounds) {
    jit_engine engine = jit_create(LIMIT);
    jit_statistics s;
    CHECK(jit_load_file(engine, LARGE) == JIT_ERROR_LIMIT && says("limit"));
    CHECK(jit_get_statistics(engine, &s) == 0 && s.used_bytes == 0 && s.most_bytes <= LIMIT);
    jit_engine larger = jit_create(LIMIT * 2);
    CHECK(jit_load_file(larger, LARGE) > 0);
    char (*at)(int) = (char (*)(int))jit_find_function(larger, "large_at");
    CHECK(at && at(0) == 1 && at(5 << 20) == 0);
    CHECK(jit_load_file(larger, LARGE) < 0);
    CHECK(jit_destroy(larger) == 0);

    jit_define_symbol(engine, "host_twice", (const void *)host_twice);
    uint64_t first = 0;
    for (int i = 0; i < rounds; i++) {
        jit_module module = jit_load_file(engine, PLUGIN);
        CHECK(module > 0);
        int (*add)(int, int) = (int (*)(int, int))jit_find_function(engine, "plugin_add");
        CHECK(add && add(i, 1) == i + 1);
        if (i % 8 == 0)
            CHECK(jit_recompile(engine, "plugin_add", i / 8 % 4) == 0 && add(i, 1) == i + 1);
        jit_get_statistics(engine, &s);
        if (i == 0)
            first = s.used_bytes;
        CHECK(s.used_bytes <= first && s.used_bytes <= s.limit_bytes);
        CHECK(jit_unload(engine, module) == 0);
        jit_get_statistics(engine, &s);
        CHECK(s.used_bytes == 0 && s.modules == 0 && s.code_bytes == 0);
        if (failures)
            return;
    }
    CHECK(s.most_bytes < first + (1 << 20));

    /* An engine with room for two modules and no code: compiles are refused, and what runs goes on. */
    CHECK(jit_load_file(engine, PLUGIN) > 0 && jit_load_file(engine, USER) > 0);
    jit_get_statistics(engine, &s);
    CHECK(jit_destroy(engine) == 0);
    engine = jit_create(s.used_bytes - 1);
    jit_define_symbol(engine, "host_twice", (const void *)host_twice);
    CHECK(jit_load_file(engine, PLUGIN) > 0);
    CHECK(jit_load_file(engine, USER) == JIT_ERROR_LIMIT && says("limit"));
    CHECK(jit_destroy(engine) == 0);
    engine = jit_create(s.used_bytes);
    jit_define_symbol(engine, "host_twice", (const void *)host_twice);
    CHECK(jit_load_file(engine, PLUGIN) > 0 && jit_load_file(engine, USER) > 0);
    int refused = 0;
    const char *const all[] = {"plugin_add", "plugin_scale", "plugin_fibonacci", "plugin_apply"};
    for (int i = 0; i < 4; i++) {
        int done = jit_recompile(engine, all[i], 1);
        CHECK(done == 0 || done == JIT_ERROR_LIMIT);
        refused += done != 0;
        jit_get_statistics(engine, &s);
        CHECK(s.used_bytes <= s.limit_bytes);
    }
    int (*add)(int, int) = (int (*)(int, int))jit_find_function(engine, "plugin_add");
    CHECK(add && add(1, 2) == 3);
    unsigned (*fibonacci)(unsigned) = (unsigned (*)(unsigned))jit_find_function(engine, "plugin_fibonacci");
    CHECK(fibonacci && fibonacci(20) == 6765);
    CHECK(refused > 0);
    vga_puts("used ");
    say_number((int64_t)s.used_bytes);
    vga_puts(" of ");
    say_number((int64_t)s.limit_bytes);
    vga_puts(", compiles refused ");
    say_number(refused);
    vga_puts("\n");
    CHECK(jit_destroy(engine) == 0);
}

/* Damaged bitcode is refused or harmless. */
static void hostile(int rounds) {
    jit_engine engine = jit_create(LIMIT);
    jit_define_symbol(engine, "host_twice", (const void *)host_twice);
    size_t length;
    unsigned char *good = read_file(PLUGIN, &length);
    unsigned char *bytes = bf_alloc(length, 16);
    CHECK(jit_load_bitcode(engine, "x", good, 0) == JIT_ERROR_MODULE);
    CHECK(jit_load_bitcode(engine, "x", 0, 5) == JIT_ERROR_ARGUMENT);
    CHECK(jit_load_bitcode(engine, 0, good, length) == JIT_ERROR_ARGUMENT);
    CHECK(jit_load_bitcode(engine, "x", "not a module", 12) == JIT_ERROR_MODULE && says("6E 6F 74 20"));
    CHECK(jit_load_bitcode(engine, "x", "LLBC", 4) == JIT_ERROR_MODULE);
    CHECK(jit_load_bitcode(engine, "x", good, LIMIT + 1) == JIT_ERROR_LIMIT);
    int refused = 0, taken = 0, renewed = 0;
    for (int i = 1; i < rounds; i++) { /* truncated */
        jit_module module = jit_load_bitcode(engine, "cut", good, length * (size_t)i / (size_t)rounds);
        CHECK(module == JIT_ERROR_MODULE);
        refused++;
    }
    uint64_t random = 88172645463325252u;
    for (int i = 0; i < rounds; i++) { /* bits turned over */
        memcpy(bytes, good, length);
        for (int n = 0; n <= i % 4; n++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            bytes[random % length] ^= (unsigned char)(1 << (random >> 40 & 7));
        }
        jit_module module = jit_load_bitcode(engine, "turned", bytes, length);
        if (module == JIT_ERROR_LIMIT) { /* what LLVM failed on costs memory */
            CHECK(jit_destroy(engine) == 0);
            engine = jit_create(LIMIT);
            jit_define_symbol(engine, "host_twice", (const void *)host_twice);
            renewed++;
            module = jit_load_bitcode(engine, "turned", bytes, length);
        }
        if (module > 0)
            taken++, jit_unload(engine, module);
        else
            refused++, CHECK(module == JIT_ERROR_MODULE || module == JIT_ERROR_LIMIT);
    }
    vga_puts("refused ");
    say_number(refused);
    vga_puts(", harmless ");
    say_number(taken);
    vga_puts(", engines used up ");
    say_number(renewed);
    vga_puts("\n");
    CHECK(refused >= rounds && refused + taken == 2 * rounds - 1);
    jit_destroy(engine);
    engine = jit_create(LIMIT);
    jit_define_symbol(engine, "host_twice", (const void *)host_twice);
    CHECK(jit_load_bitcode(engine, "good", good, length) > 0);
    int (*add)(int, int) = (int (*)(int, int))jit_find_function(engine, "plugin_add");
    CHECK(add && add(40, 2) == 42);
    CHECK(jit_destroy(engine) == 0);
}

struct race {
    jit_engine engine;
    uint32_t failures;
};

static void other(void *context) {
    struct race *race = context;
    jit_function_info info;
    for (int i = 0; i < 50; i++) {
        int wrong = jit_record_call(race->engine, "plugin_add", 1) != 0 ||
                    jit_get_function_info(race->engine, "plugin_add", &info) != 0 ||
                    (i % 10 == 0 && jit_recompile(race->engine, "plugin_fibonacci", i / 10 % 4) != 0) ||
                    ((int (*)(int, int))info.address)(i, i) != 2 * i || jit_load_file(race->engine, PLUGIN) > 0;
        race->failures += (uint32_t)wrong;
    }
}

/* Two threads at one engine; each has a last error of its own. */
static void threads(void) {
    struct race race[2];
    jit_engine engine = jit_create(LIMIT);
    jit_define_symbol(engine, "host_twice", (const void *)host_twice);
    CHECK(jit_load_file(engine, PLUGIN) > 0);
    CHECK(jit_unload(engine, 99) == JIT_ERROR_HANDLE);
    int64_t started[2];
    for (int i = 0; i < 2; i++) {
        race[i] = (struct race){engine, 0};
        started[i] = thread_create(other, &race[i]);
        CHECK(started[i] > 0);
    }
    for (int i = 0; i < 2; i++)
        CHECK(thread_join(started[i]) == 0 && race[i].failures == 0);
    CHECK(says("no module 99"));
    jit_function_info info;
    CHECK(jit_get_function_info(engine, "plugin_add", &info) == 0 && info.recorded_calls == 100);
    CHECK(jit_destroy(engine) == 0);
}

static int number(const char *text) {
    int n = 0;
    while (*text)
        n = n * 10 + *text++ - '0';
    return n;
}

const char *bf_arg(size_t index, size_t *length);

int bf_main(void) {
    size_t length = 0;
    const char *what = bf_arg(0, &length);
    char words[2][16] = {"", ""};
    for (int i = 0; i < 2; i++) {
        what = bf_arg((size_t)i, &length);
        for (size_t at = 0; what && at < length && at < 15; at++)
            words[i][at] = what[at], words[i][at + 1] = 0;
    }
    if (is(words[0], "all")) {
        loads();
        levels();
        gone();
        threads();
    } else if (is(words[0], "memory")) {
        memory(number(words[1]));
    } else if (is(words[0], "hostile")) {
        hostile(number(words[1]));
    } else {
        return 2;
    }
    vga_puts(failures ? "jit_runtime.h is wrong\n" : "jit_runtime.h is right\n");
    return failures != 0;
}
