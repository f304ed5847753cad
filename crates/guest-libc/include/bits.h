//! Types that several headers of the guest's C library share.
#ifndef BAREFLOW_LIBC_BITS_H
#define BAREFLOW_LIBC_BITS_H

#ifdef __cplusplus
#define __BEGIN_C extern "C" {
#define __END_C }
#define __NOTHROW noexcept
#define restrict __restrict
#else
#define __BEGIN_C
#define __END_C
#define __NOTHROW
#endif

typedef long off_t;
typedef long ssize_t;
typedef long time_t;
typedef long clock_t;
typedef long suseconds_t;
typedef int pid_t;
typedef int clockid_t;
typedef unsigned int mode_t;

#endif
