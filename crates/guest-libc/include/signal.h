//! Signals (C11 7.14): a guest gets none; `raise` ends the program, other handlers are kept and never called.
#ifndef BAREFLOW_LIBC_SIGNAL_H
#define BAREFLOW_LIBC_SIGNAL_H
#include <bits.h>
#define SIGINT 2
#define SIGILL 4
#define SIGABRT 6
#define SIGFPE 8
#define SIGSEGV 11
#define SIGTERM 15
#define SIG_ERR ((void (*)(int))-1)
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)
typedef int sig_atomic_t;
typedef void (*__sighandler_t)(int);
__BEGIN_C
__sighandler_t signal(int number, __sighandler_t handler) __NOTHROW;
int raise(int number) __NOTHROW;
__END_C
#endif
