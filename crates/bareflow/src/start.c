/* Joined to a program that has `main` instead of `bf_main`: hands it the machine's arguments as C expects them. */
typedef __SIZE_TYPE__ size_t;
size_t bf_arg_count(void);
const char *bf_arg(size_t index, size_t *length);
void *bf_alloc(size_t size, size_t align);
void bf_console_write(const char *text, size_t length);
#ifdef BAREFLOW_LIBC
/* Calls main, and ends the program with what it left in its streams written. */
_Noreturn void bareflow_libc_start(int argc, char **argv);
#else
int main(int argc, char **argv);
#endif

int bf_main(void) {
    static char name[] = "guest";
    size_t count = bf_arg_count();
    size_t bytes = (count + 2) * sizeof(char *);
    for (size_t i = 0; i < count; i++) {
        size_t length;
        bf_arg(i, &length);
        bytes += length + 1;
    }
    char **argv = bf_alloc(bytes, sizeof(char *));
    if (!argv) {
        static const char message[] = "no memory for the arguments\n";
        bf_console_write(message, sizeof message - 1);
        return 1;
    }
    char *text = (char *)(argv + count + 2);
    argv[0] = name;
    for (size_t i = 0; i < count; i++) {
        size_t length;
        const char *argument = bf_arg(i, &length);
        argv[i + 1] = text;
        for (size_t j = 0; j < length; j++)
            *text++ = argument[j];
        *text++ = 0;
    }
    argv[count + 1] = 0;
#ifdef BAREFLOW_LIBC
    bareflow_libc_start((int)count + 1, argv);
#else
    /* Not inlined: this code, which has no debug information, would take the source lines of main. */
    [[clang::noinline]] return main((int)count + 1, argv);
#endif
}
