//! Assertions (C11 7.2): a failed one prints the expression and where it stands, and aborts.
#include <bits.h>

#undef assert
#ifdef NDEBUG
#define assert(condition) ((void)0)
#else
#define assert(condition) ((condition) ? (void)0 : __assert_fail(#condition, __FILE__, __LINE__, __func__))
#endif

#if !defined(__cplusplus) && !defined(static_assert) && __STDC_VERSION__ < 202311L
#define static_assert _Static_assert
#endif

#ifndef BAREFLOW_LIBC_ASSERT_H
#define BAREFLOW_LIBC_ASSERT_H
__BEGIN_C
__attribute__((noreturn)) void __assert_fail(const char *condition, const char *file, unsigned line, const char *function)
    __NOTHROW;
__END_C
#endif
