/* The machine under a BareFlow program: screen, keyboard, files, threads, time.
 *
 * `bareflow build main.c -o app.img` finds this header and adds the code behind it. The same functions do the same on the
 * bare machine, hosted (`bareflow run app.img --hosted`, where the terminal stands for screen, keyboard and serial line)
 * and in an exported program. In Rust they are in `guest::runtime`, by the same names.
 *
 * Errors are negative numbers: for files Linux's error numbers (-2: no such file). Functions that return nothing cannot fail.
 * Every function may be called from any thread.
 */
#ifndef BAREFLOW_RUNTIME_H
#define BAREFLOW_RUNTIME_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define BAREFLOW_NORETURN [[noreturn]]
#else
#define BAREFLOW_NORETURN _Noreturn
#endif

/* ---- The screen: 80 columns, 25 rows of text (UTF-8). ------------------------------------------------------------------
 *
 * On the machine the VGA text screen; without one, and besides, the same text leaves by the serial line. Escape sequences of
 * terminals work, too.
 */

enum { VGA_COLUMNS = 80, VGA_ROWS = 25 };

/* Colours. As a background, the last eight become the first eight. */
enum vga_color {
    VGA_BLACK, VGA_BLUE, VGA_GREEN, VGA_CYAN, VGA_RED, VGA_MAGENTA, VGA_BROWN, VGA_LIGHT_GREY,
    VGA_DARK_GREY, VGA_LIGHT_BLUE, VGA_LIGHT_GREEN, VGA_LIGHT_CYAN, VGA_LIGHT_RED, VGA_LIGHT_MAGENTA, VGA_YELLOW, VGA_WHITE
};

/* Empties the screen, with light grey on black and the cursor at the top left. */
void vga_init(void);
/* Empties the screen in the colours that are set; the cursor goes to the top left. */
void vga_clear(void);
/* Shows text at the cursor. '\n' begins a new line; behind the last one the screen scrolls. */
void vga_puts(const char *text);
/* Shows one byte of text at the cursor; the bytes of one character may come one by one. */
void vga_putc(char c);
/* Colours of the text from now on (enum vga_color). */
void vga_set_color(int foreground, int background);
/* Puts the cursor to a row (0 to 24) and a column (0 to 79); other numbers mean the nearest one. */
void vga_set_cursor(int row, int column);
/* Shows (1) or hides (0) the cursor. */
void vga_show_cursor(int shown);

/* ---- The serial line. ---------------------------------------------------------------------------------------------------
 *
 * 115,200 baud, 8 data bits, no parity. Without a port what is written is lost.
 */

/* Answers of the functions that wait for a key. */
enum {
    RUNTIME_END = -1,         /* there will be no more: the end of a file or pipe */
    RUNTIME_INTERRUPTED = -2, /* Ctrl-C; runtime_interrupted() is 1 once */
    RUNTIME_NOTHING = -3      /* nothing was typed in time */
};

/* Makes the line ready. The kernel has done so; calling it is allowed and changes nothing. */
void serial_init(void);
/* Writes text to the line and not to the screen; hosted to standard output. '\n' is sent as "\r\n". */
void serial_puts(const char *text);
/* Writes one byte to the line. */
void serial_putc(char c);
/* Waits for a byte, which is not sent back: 0 to 255, RUNTIME_END or RUNTIME_INTERRUPTED. */
int serial_getchar(void);

/* ---- The keyboard. ------------------------------------------------------------------------------------------------------
 *
 * Keyboard and serial line are one stream of bytes: the machine has one terminal. Keys that are no characters arrive as
 * terminals send them ("\x1b[A" is the cursor key up), Enter as '\r' or '\n'.
 */

/* Waits for a key, which is not shown: 0 to 255, RUNTIME_END or RUNTIME_INTERRUPTED. */
int keyboard_getchar(void);
/* A key that was pressed already, or is within so many nanoseconds; else RUNTIME_NOTHING, RUNTIME_END, RUNTIME_INTERRUPTED. */
int keyboard_poll(uint64_t timeout_ns);

/* ---- Memory. ------------------------------------------------------------------------------------------------------------
 *
 * The C library's functions, defined by the C library the program is linked with; they are declared here for programs that
 * include nothing else. Blocks are aligned to 16 bytes; without memory the answer is NULL.
 */

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *block, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
void free(void *block);
void *memcpy(void *__restrict to, const void *__restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *at, int byte, size_t length);
int memcmp(const void *a, const void *b, size_t length);
void *memchr(const void *at, int byte, size_t length);
size_t strlen(const char *text);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t length);
char *strcpy(char *__restrict to, const char *__restrict from);
char *strncpy(char *__restrict to, const char *__restrict from, size_t length);
char *strcat(char *__restrict to, const char *__restrict from);
char *strchr(const char *text, int c);
char *strrchr(const char *text, int c);
char *strstr(const char *text, const char *wanted);

/* ---- Processors. --------------------------------------------------------------------------------------------------------
 */

/* Bits of cpu_features(): what every processor of the machine can do. */
enum {
    CPU_SSE4_1 = 1 << 0, CPU_AVX = 1 << 1, CPU_AVX2 = 1 << 2, CPU_FMA = 1 << 3, CPU_F16C = 1 << 4, CPU_AVX512F = 1 << 5,
    CPU_AVX512BW = 1 << 6, CPU_AVX512VL = 1 << 7, CPU_AVX512VNNI = 1 << 8, CPU_AVXVNNI = 1 << 9
};

/* The time-stamp counter: cycles of a constant rate. Not ordered with the instructions around it. */
uint64_t cpu_rdtsc(void);
/* `cpuid`: eax, ebx, ecx, edx of a leaf and subleaf. Leaf 0 tells the largest leaf there is. */
void cpu_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
/* What the processors can do; the compiler knows the answer, so a choice by it costs nothing. */
uint64_t cpu_features(void);
/* Threads worth using at once, at least 1. */
uint32_t cpu_count(void);

/* ---- Time. --------------------------------------------------------------------------------------------------------------
 */

/* Nanoseconds since some moment before the program started; never goes back. */
uint64_t time_ns(void);
/* Nanoseconds since 1970-01-01 00:00 UTC, by the machine's clock, which may be set wrongly. */
uint64_t time_unix_ns(void);
/* Waits at least so long; Ctrl-C ends it early. */
void time_sleep_ns(uint64_t ns);

/* ---- Files of the volume. -----------------------------------------------------------------------------------------------
 *
 * Paths begin at the root of the volume ("/folder/name"); at most 256 files are open at once. Every open file has a position,
 * which reading and writing move.
 *
 * Errors: -2 no such file or folder, -5 the disk failed, -9 not an open file, -13 open for reading only, in use or protected,
 * -17 there is something by this name, -20 it is a file, -21 it is a folder, -22 an argument that makes no sense, -24 too many
 * open files, -27 larger than 4 GiB, -28 no room, -30 the volume cannot be written to, -39 the folder is not empty.
 */

/* How a file is opened; all but the first are added to FILE_WRITE. */
enum {
    FILE_READ = 0,      /* for reading */
    FILE_WRITE = 1,     /* for reading and writing */
    FILE_CREATE = 2,    /* made where it is not there */
    FILE_TRUNCATE = 4,  /* emptied */
    FILE_EXCLUSIVE = 8  /* with FILE_CREATE: only where it is not there */
};

/* From where file_seek counts. */
enum { FILE_START, FILE_CURRENT, FILE_END };

/* Opens a file: its number, or an error (-2 -13 -17 -21 -22 -24 -28 -30). The position is at its beginning. */
int file_open(const char *path, uint32_t flags);
/* Closes a file: 0 or -9. */
int file_close(int file);
/* Reads at the position and moves it: the number of bytes, less than `length` only at the end of the file; or -5 -9. */
int64_t file_read(int file, void *buffer, size_t length);
/* Writes all bytes at the position and moves it: `length`, or -5 -9 -13 -27 -28 -30. */
int64_t file_write(int file, const void *bytes, size_t length);
/* Moves the position: the new one in bytes from the beginning, which may lie behind the end; or -9 -22. */
int64_t file_seek(int file, int64_t offset, int from);
/* Length in bytes, or -9. */
int64_t file_size(int file);
/* Makes a file so many bytes long, new ones being zeroes: 0, or as file_write. */
int file_resize(int file, uint64_t bytes);
/* Returns when what was written is on the disk: 0, or -5 -9. */
int file_sync(int file);
/* Takes a file or an empty folder away: 0, or -2 -13 -30 -39. */
int file_remove(const char *path);
/* Gives a file or folder another name or place, replacing a file of that name: 0, or -2 -13 -22 -28 -30. */
int file_rename(const char *from, const char *to);
/* Makes a folder: 0, or -2 -17 -28 -30. */
int folder_create(const char *path);
/* The names in a folder, in no order, each ending with NUL, those of folders with '/' before it: as many whole ones as fit
 * into `size` bytes. Gives the bytes that all of them need (0: empty), or -2 -20. */
int64_t file_list(const char *path, char *names, size_t size);

/* ---- Threads. -----------------------------------------------------------------------------------------------------------
 */

/* Calls body(context, i) for every i from `begin` to `end` (not itself), on all processors at once and in no order; returns
 * when all calls have. Inside such a loop another one runs on its one thread. */
void parallel_for(uint64_t begin, uint64_t end, void (*body)(void *context, uint64_t i), void *context);
/* Runs work(context) on a thread of its own: its number, or -11 (no memory for it, or 256 threads are there). */
int64_t thread_create(void (*work)(void *context), void *context);
/* Waits for the end of a thread: 0, or -9 (no such thread, or joined already). */
int thread_join(int64_t thread);
/* Lets other threads run. */
void thread_yield(void);
/* Takes a lock, a word that is 0 while it is free; waits for it. Taking it twice on one thread waits for ever. */
void mutex_lock(uint32_t *lock);
/* Gives a lock back. */
void mutex_unlock(uint32_t *lock);

/* ---- Random numbers: for simulations and games, not for secrets. --------------------------------------------------------
 */

/* Begins the sequence of this seed: the same seed gives the same numbers. Without it each run has its own. */
void random_seed(uint64_t seed);
/* The next number of the sequence. */
uint64_t random_u64(void);
/* A number below `bound`, all alike; 0 for 0. */
uint64_t random_below(uint64_t bound);

/* ---- The end. -----------------------------------------------------------------------------------------------------------
 */

/* 1 if Ctrl-C was pressed since the last call. A second Ctrl-C that nobody asked for ends the program. */
int runtime_interrupted(void);
/* Ends the program with this exit code (0 to 62; larger ones are the machine's own) without running handlers of `atexit`. */
BAREFLOW_NORETURN void runtime_exit(int code);

#ifdef __cplusplus
}
#endif
#endif
