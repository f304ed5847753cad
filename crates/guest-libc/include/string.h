//! Memory and strings (C11 7.24, POSIX.1-2008).
#ifndef BAREFLOW_LIBC_STRING_H
#define BAREFLOW_LIBC_STRING_H
#include <bits.h>
#include <stddef.h>
#include <strings.h>
__BEGIN_C
void *memccpy(void *restrict to, const void *restrict from, int c, size_t n) __NOTHROW;
void *memchr(const void *memory, int c, size_t n) __NOTHROW;
int memcmp(const void *a, const void *b, size_t n) __NOTHROW;
void *memcpy(void *restrict to, const void *restrict from, size_t n) __NOTHROW;
void *memmem(const void *memory, size_t n, const void *wanted, size_t wanted_n) __NOTHROW;
void *memmove(void *to, const void *from, size_t n) __NOTHROW;
void *mempcpy(void *restrict to, const void *restrict from, size_t n) __NOTHROW;
void *memrchr(const void *memory, int c, size_t n) __NOTHROW;
void *memset(void *memory, int c, size_t n) __NOTHROW;
char *stpcpy(char *restrict to, const char *restrict from) __NOTHROW;
char *stpncpy(char *restrict to, const char *restrict from, size_t n) __NOTHROW;
char *strcasestr(const char *text, const char *wanted) __NOTHROW;
char *strcat(char *restrict to, const char *restrict from) __NOTHROW;
char *strchr(const char *text, int c) __NOTHROW;
char *strchrnul(const char *text, int c) __NOTHROW;
int strcmp(const char *a, const char *b) __NOTHROW;
int strcoll(const char *a, const char *b) __NOTHROW;
char *strcpy(char *restrict to, const char *restrict from) __NOTHROW;
size_t strcspn(const char *text, const char *set) __NOTHROW;
char *strdup(const char *text) __NOTHROW;
char *strerror(int number) __NOTHROW;
size_t strlcat(char *restrict to, const char *restrict from, size_t n) __NOTHROW;
size_t strlcpy(char *restrict to, const char *restrict from, size_t n) __NOTHROW;
size_t strlen(const char *text) __NOTHROW;
char *strncat(char *restrict to, const char *restrict from, size_t n) __NOTHROW;
int strncmp(const char *a, const char *b, size_t n) __NOTHROW;
char *strncpy(char *restrict to, const char *restrict from, size_t n) __NOTHROW;
char *strndup(const char *text, size_t n) __NOTHROW;
size_t strnlen(const char *text, size_t n) __NOTHROW;
char *strpbrk(const char *text, const char *set) __NOTHROW;
char *strrchr(const char *text, int c) __NOTHROW;
char *strsep(char **restrict text, const char *restrict set) __NOTHROW;
size_t strspn(const char *text, const char *set) __NOTHROW;
char *strstr(const char *text, const char *wanted) __NOTHROW;
char *strtok(char *restrict text, const char *restrict set) __NOTHROW;
char *strtok_r(char *restrict text, const char *restrict set, char **restrict rest) __NOTHROW;
size_t strxfrm(char *restrict to, const char *restrict from, size_t n) __NOTHROW;
__END_C
#endif
