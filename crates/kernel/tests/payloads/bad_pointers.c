// Bad pointers in system calls: EFAULT, and the kernel goes on.
// exit: 0
// expect: ok bad pointers
// expect: ok unknown call
// machine-only
#include "check.h"

int main(void) {
    /* Null, not mapped, the kernel's own memory (direct map and image), not canonical, the end of everything. */
    static const uintptr_t bad[] = {0,
                                    0x10,
                                    0x123456789000,
                                    0xFFFF800000100000,
                                    0xFFFFFFFF80100000,
                                    0x8000000000000000,
                                    0xFFFFFFFFFFFFFFF8};
    static const struct {
        long number;
        int argument; /* which one is the pointer */
        long others[4];
    } calls[] = {
        {SYS_write, 1, {1, 0, 64}},           {SYS_open, 0, {0, 0, 0}},
        {SYS_clock_gettime, 1, {1, 0, 0}},    {SYS_nanosleep, 0, {0, 0, 0}},
        {SYS_uname, 0, {0}},                  {SYS_sysinfo, 0, {0}},
        {SYS_getrandom, 0, {0, 64, 0}},       {SYS_futex, 0, {0, 0, 1, 0}},
        {SYS_pipe, 0, {0}},                   {SYS_poll, 0, {0, 1, 0}},
        {SYS_readv, 1, {0, 0, 2}},            {SYS_writev, 1, {1, 0, 2}},
        {SYS_getcwd, 0, {0, 64}},             {SYS_rt_sigaction, 1, {SIGUSR1, 0, 0, 8}},
        {SYS_rt_sigprocmask, 1, {0, 0, 0, 8}}, {SYS_stat, 0, {0, 0}},
        {SYS_clone3, 0, {0, 88}},
    };
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
        for (size_t b = 0; b < sizeof bad / sizeof *bad; b++) {
            long a[4];
            memcpy(a, calls[c].others, sizeof a);
            a[calls[c].argument] = (long)bad[b];
            if (bad[b] == 0 && (calls[c].number == SYS_rt_sigaction || calls[c].number == SYS_rt_sigprocmask))
                continue; /* allowed: nothing to set */
            errno = 0;
            long result = syscall(calls[c].number, a[0], a[1], a[2], a[3]);
            if (result != -1 || (errno != EFAULT && errno != EINVAL)) {
                printf("FAILED call %ld with %lx: %ld, errno %d\n", calls[c].number, (long)bad[b], result, errno);
                return 1;
            }
        }
    ok("bad pointers");
    CHECK(syscall(499) == -1 && errno == ENOSYS);
    CHECK(syscall(SYS_fork) == -1 && errno == ENOSYS);
    ok("unknown call");
    return 0;
}
