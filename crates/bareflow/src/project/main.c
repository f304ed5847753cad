/* NAME: a program that is a machine of its own.
 *
 *   bareflow build NAME -o NAME.img      all C files of this folder; or name them one by one
 *   bareflow run NAME.img                in QEMU
 *   bareflow run NAME.img --hosted       as a Linux process
 *
 * runtime.h comes with `bareflow`; every function is explained there.
 */
#include <runtime.h>

static void say_number(uint32_t number) {
    if (number >= 10)
        say_number(number / 10);
    vga_putc((char)('0' + number % 10));
}

int main(int argc, char **argv) {
    vga_set_color(VGA_LIGHT_GREEN, VGA_BLACK);
    vga_puts("Hello from NAME");
    for (int i = 1; i < argc; i++) {
        vga_puts(" to ");
        vga_puts(argv[i]);
    }
    vga_set_color(VGA_LIGHT_GREY, VGA_BLACK);
    vga_puts(", on ");
    say_number(cpu_count());
    vga_puts(" CPU(s)\n");
    return 0;
}
