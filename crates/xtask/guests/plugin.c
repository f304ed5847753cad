/* A module that embed.c and embed-rust load: jit_test.rs. Compiled with -DUSER it is one that imports from it. */
#ifdef USER

int plugin_add(int a, int b);
extern int plugin_counter;

int user_sum(int n) {
    int sum = 0;
    for (int i = 0; i < n; i++)
        sum = plugin_add(sum, i);
    return sum + plugin_counter;
}

#elif defined(LARGE)

/* More than the tests' limits, and touched when it is loaded. */
char large[8 << 20] = {1};

char large_at(int i) {
    return large[i];
}

#else

int host_twice(int x);

int plugin_counter = 1000;

int plugin_add(int a, int b) {
    return a + b;
}

/* Calls back into the program. */
int plugin_four_times(int x) {
    return host_twice(host_twice(x));
}

double plugin_scale(double x, float by) {
    return x * by;
}

unsigned plugin_fibonacci(unsigned n) {
    return n < 2 ? n : plugin_fibonacci(n - 1) + plugin_fibonacci(n - 2);
}

/* Through a pointer: the function may be the program's or the module's. */
int plugin_apply(int (*f)(int), int x) {
    return f(x) + 1;
}

static int negated(int x) {
    return -x;
}

int (*plugin_negated(void))(int) {
    return negated;
}

#endif
