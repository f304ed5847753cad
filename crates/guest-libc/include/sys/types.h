//! System types (POSIX).
#ifndef BAREFLOW_LIBC_SYS_TYPES_H
#define BAREFLOW_LIBC_SYS_TYPES_H
#include <bits.h>
#include <stddef.h>
#endif
