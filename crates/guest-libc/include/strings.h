//! Comparisons without case, and other names of old (POSIX.1-2001).
#ifndef BAREFLOW_LIBC_STRINGS_H
#define BAREFLOW_LIBC_STRINGS_H
#include <bits.h>
#include <stddef.h>
__BEGIN_C
int bcmp(const void *a, const void *b, size_t n) __NOTHROW;
void bcopy(const void *from, void *to, size_t n) __NOTHROW;
void bzero(void *memory, size_t n) __NOTHROW;
char *index(const char *text, int c) __NOTHROW;
char *rindex(const char *text, int c) __NOTHROW;
int strcasecmp(const char *a, const char *b) __NOTHROW;
int strncasecmp(const char *a, const char *b, size_t n) __NOTHROW;
__END_C
#endif
