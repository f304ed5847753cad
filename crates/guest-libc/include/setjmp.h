//! Non-local jumps (C11 7.13).
#ifndef BAREFLOW_LIBC_SETJMP_H
#define BAREFLOW_LIBC_SETJMP_H
#include <bits.h>
// As large as glibc's, so that either library's functions fit.
typedef struct {
    unsigned long __registers[25];
} jmp_buf[1];
__BEGIN_C
int setjmp(jmp_buf buffer) __NOTHROW __attribute__((returns_twice));
int _setjmp(jmp_buf buffer) __NOTHROW __attribute__((returns_twice));
__attribute__((noreturn)) void longjmp(jmp_buf buffer, int value);
__attribute__((noreturn)) void _longjmp(jmp_buf buffer, int value);
__END_C
#define setjmp(buffer) _setjmp(buffer)
#endif
