/* The smallest machine: greets, and says what it was given and what it runs on.
 *
 *   ./x bareflow build examples/hello.c --arg world -o hello.img
 *   ./x bareflow run hello.img
 */
#include <stddef.h>
#include <stdint.h>

void bf_console_write(const char *text, size_t length);
uint32_t bf_cpu_count(void);

static void print(const char *text) {
    size_t length = 0;
    while (text[length])
        length++;
    bf_console_write(text, length);
}

static void print_number(uint32_t number) {
    char digits[10];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    bf_console_write(digits + at, sizeof digits - at);
}

int main(int argc, char **argv) {
    print("hello");
    for (int i = 1; i < argc; i++) {
        print(" ");
        print(argv[i]);
    }
    print(" from ");
    print_number(bf_cpu_count());
    print(" CPU(s)\n");
    return 0;
}
