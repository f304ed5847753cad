// Exit from deep inside, with handlers that print, a code above 255 and buffered output.
#include <stdio.h>
#include <stdlib.h>

static int calls;
static void first(void) { printf("first %d\n", ++calls); }
static void second(void) {
    printf("second %d\n", ++calls);
    atexit(first);
}
static void dive(int n) {
    if (n == 0) {
        printf("leaving");
        exit(0x1234);
    }
    dive(n - 1);
    printf("never %d\n", n);
}
int main(void) {
    atexit(first);
    atexit(second);
    for (int i = 0;; i++) {
        printf("turn %d\n", i);
        if (i == 3) dive(10);
    }
}
