/* Fails in the way its argument names. */
typedef unsigned long size_t;
const char *bf_arg(size_t index, size_t *len);
void bf_exit(int code);

__attribute__((noinline)) static int store(volatile int *where) { *where = 1; return 0; }
__attribute__((noinline)) static int divide(volatile int by) { return 7 / by; }
__attribute__((noinline)) static int deeper(volatile int depth) {
    volatile char room[1000];
    room[depth % 1000] = 1;
    return deeper(depth + 1) + room[0];
}

int bf_main(void) {
    size_t len;
    const char *what = bf_arg(0, &len);
    switch (what ? *what : 0) {
    case 's': return store((int *)16);
    case 'd': return divide(0);
    case 'r': return deeper(0);
    case 't': __builtin_trap();
    case 'e': bf_exit(9);
    }
    return 1;
}
