//! The floating-point environment (C11 7.6). Programs that change the rounding give up equal results in every tier.
#ifndef BAREFLOW_LIBC_FENV_H
#define BAREFLOW_LIBC_FENV_H
#include <bits.h>
#define FE_INVALID 1
#define FE_DIVBYZERO 4
#define FE_OVERFLOW 8
#define FE_UNDERFLOW 16
#define FE_INEXACT 32
#define FE_ALL_EXCEPT (FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW | FE_INEXACT)
#define FE_TONEAREST 0
#define FE_DOWNWARD 0x400
#define FE_UPWARD 0x800
#define FE_TOWARDZERO 0xc00
#define FE_DFL_ENV ((const fenv_t *)-1)
typedef unsigned short fexcept_t;
typedef struct {
    unsigned short __control, __unused1, __status, __unused2, __tags, __unused3;
    unsigned __eip;
    unsigned short __cs;
    unsigned __opcode : 11, __unused4 : 5;
    unsigned __data_offset;
    unsigned short __data_selector, __unused5;
    unsigned __mxcsr;
} fenv_t;
__BEGIN_C
int feclearexcept(int exceptions) __NOTHROW;
int feraiseexcept(int exceptions) __NOTHROW;
int fetestexcept(int exceptions) __NOTHROW;
int fegetround(void) __NOTHROW;
int fesetround(int mode) __NOTHROW;
int fegetenv(fenv_t *environment) __NOTHROW;
int fesetenv(const fenv_t *environment) __NOTHROW;
int feholdexcept(fenv_t *environment) __NOTHROW;
int feupdateenv(const fenv_t *environment) __NOTHROW;
__END_C
#endif
