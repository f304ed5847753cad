//! Streams and formatted text (C11 7.21).
#ifndef BAREFLOW_LIBC_STDIO_H
#define BAREFLOW_LIBC_STDIO_H
#include <bits.h>
#include <stdarg.h>
#include <stddef.h>
#define EOF (-1)
#define BUFSIZ 8192
#define FILENAME_MAX 4096
#define FOPEN_MAX 16
#define L_tmpnam 20
#define TMP_MAX 238328
#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2
#define _IOFBF 0
#define _IOLBF 1
#define _IONBF 2
typedef struct _IO_FILE FILE;
typedef struct {
    off_t __position;
    unsigned long __state;
} fpos_t;
__BEGIN_C
extern FILE *stdin, *stdout, *stderr;
#define stdin stdin
#define stdout stdout
#define stderr stderr

FILE *fopen(const char *restrict path, const char *restrict mode);
FILE *freopen(const char *restrict path, const char *restrict mode, FILE *restrict stream);
FILE *tmpfile(void);
char *tmpnam(char *name) __NOTHROW;
int fclose(FILE *stream);
int fflush(FILE *stream);
int remove(const char *path) __NOTHROW;
int rename(const char *from, const char *to) __NOTHROW;
void setbuf(FILE *restrict stream, char *restrict buffer) __NOTHROW;
int setvbuf(FILE *restrict stream, char *restrict buffer, int mode, size_t size) __NOTHROW;

int printf(const char *restrict format, ...) __attribute__((format(printf, 1, 2)));
int fprintf(FILE *restrict stream, const char *restrict format, ...) __attribute__((format(printf, 2, 3)));
int sprintf(char *restrict to, const char *restrict format, ...) __NOTHROW __attribute__((format(printf, 2, 3)));
int snprintf(char *restrict to, size_t n, const char *restrict format, ...) __NOTHROW __attribute__((format(printf, 3, 4)));
int vprintf(const char *restrict format, va_list list) __attribute__((format(printf, 1, 0)));
int vfprintf(FILE *restrict stream, const char *restrict format, va_list list) __attribute__((format(printf, 2, 0)));
int vsprintf(char *restrict to, const char *restrict format, va_list list) __NOTHROW __attribute__((format(printf, 2, 0)));
int vsnprintf(char *restrict to, size_t n, const char *restrict format, va_list list) __NOTHROW
    __attribute__((format(printf, 3, 0)));
int scanf(const char *restrict format, ...) __attribute__((format(scanf, 1, 2)));
int fscanf(FILE *restrict stream, const char *restrict format, ...) __attribute__((format(scanf, 2, 3)));
int sscanf(const char *restrict text, const char *restrict format, ...) __NOTHROW __attribute__((format(scanf, 2, 3)));

int fgetc(FILE *stream);
int getc(FILE *stream);
int getchar(void);
char *fgets(char *restrict line, int n, FILE *restrict stream);
int ungetc(int c, FILE *stream);
int fputc(int c, FILE *stream);
int putc(int c, FILE *stream);
int putchar(int c);
int fputs(const char *restrict text, FILE *restrict stream);
int puts(const char *text);
size_t fread(void *restrict to, size_t size, size_t count, FILE *restrict stream);
size_t fwrite(const void *restrict from, size_t size, size_t count, FILE *restrict stream);
int fseek(FILE *stream, long offset, int whence);
int fseeko(FILE *stream, off_t offset, int whence);
long ftell(FILE *stream);
off_t ftello(FILE *stream);
void rewind(FILE *stream);
int fgetpos(FILE *restrict stream, fpos_t *restrict position);
int fsetpos(FILE *stream, const fpos_t *position);
void clearerr(FILE *stream) __NOTHROW;
int feof(FILE *stream) __NOTHROW;
int ferror(FILE *stream) __NOTHROW;
int fileno(FILE *stream) __NOTHROW;
void perror(const char *text);
__END_C
#endif
