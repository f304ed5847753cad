//! Character classes of the C locale (C11 7.4).
#ifndef BAREFLOW_LIBC_CTYPE_H
#define BAREFLOW_LIBC_CTYPE_H
#include <bits.h>
__BEGIN_C
int isalnum(int c) __NOTHROW;
int isalpha(int c) __NOTHROW;
int isascii(int c) __NOTHROW;
int isblank(int c) __NOTHROW;
int iscntrl(int c) __NOTHROW;
int isdigit(int c) __NOTHROW;
int isgraph(int c) __NOTHROW;
int islower(int c) __NOTHROW;
int isprint(int c) __NOTHROW;
int ispunct(int c) __NOTHROW;
int isspace(int c) __NOTHROW;
int isupper(int c) __NOTHROW;
int isxdigit(int c) __NOTHROW;
int toascii(int c) __NOTHROW;
int tolower(int c) __NOTHROW;
int toupper(int c) __NOTHROW;
__END_C
#endif
