//! Numbers from text, memory, sorting, the end of the program (C11 7.22).
#ifndef BAREFLOW_LIBC_STDLIB_H
#define BAREFLOW_LIBC_STDLIB_H
#include <bits.h>
#include <stddef.h>
#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1
#define RAND_MAX 2147483647
#define MB_CUR_MAX 1
typedef struct {
    int quot, rem;
} div_t;
typedef struct {
    long quot, rem;
} ldiv_t;
typedef struct {
    long long quot, rem;
} lldiv_t;
__BEGIN_C
void *malloc(size_t size) __NOTHROW __attribute__((malloc, alloc_size(1)));
void *calloc(size_t count, size_t size) __NOTHROW __attribute__((malloc, alloc_size(1, 2)));
void *realloc(void *memory, size_t size) __NOTHROW __attribute__((alloc_size(2)));
void *aligned_alloc(size_t align, size_t size) __NOTHROW __attribute__((malloc, alloc_size(2)));
void free(void *memory) __NOTHROW;

int abs(int x) __NOTHROW __attribute__((const));
long labs(long x) __NOTHROW __attribute__((const));
long long llabs(long long x) __NOTHROW __attribute__((const));
div_t div(int x, int y) __NOTHROW __attribute__((const));
ldiv_t ldiv(long x, long y) __NOTHROW __attribute__((const));
lldiv_t lldiv(long long x, long long y) __NOTHROW __attribute__((const));
int rand(void) __NOTHROW;
void srand(unsigned seed) __NOTHROW;

double atof(const char *text) __NOTHROW;
int atoi(const char *text) __NOTHROW;
long atol(const char *text) __NOTHROW;
long long atoll(const char *text) __NOTHROW;
double strtod(const char *restrict text, char **restrict end) __NOTHROW;
float strtof(const char *restrict text, char **restrict end) __NOTHROW;
long double strtold(const char *restrict text, char **restrict end) __NOTHROW;
long strtol(const char *restrict text, char **restrict end, int base) __NOTHROW;
long long strtoll(const char *restrict text, char **restrict end, int base) __NOTHROW;
unsigned long strtoul(const char *restrict text, char **restrict end, int base) __NOTHROW;
unsigned long long strtoull(const char *restrict text, char **restrict end, int base) __NOTHROW;

void *bsearch(const void *key, const void *base, size_t count, size_t size, int (*compare)(const void *, const void *));
void qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *));
void qsort_r(void *base, size_t count, size_t size, int (*compare)(const void *, const void *, void *), void *context);

__attribute__((noreturn)) void abort(void) __NOTHROW;
__attribute__((noreturn)) void exit(int code) __NOTHROW;
__attribute__((noreturn)) void _Exit(int code) __NOTHROW;
__attribute__((noreturn)) void quick_exit(int code) __NOTHROW;
int atexit(void (*function)(void)) __NOTHROW;
char *getenv(const char *name) __NOTHROW;
int system(const char *command);
__END_C
#endif
