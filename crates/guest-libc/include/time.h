//! Time (C11 7.27). There is one time zone, UTC.
#ifndef BAREFLOW_LIBC_TIME_H
#define BAREFLOW_LIBC_TIME_H
#include <bits.h>
#include <stddef.h>
#define CLOCKS_PER_SEC 1000000L
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1
#define TIME_UTC 1
struct timespec {
    time_t tv_sec;
    long tv_nsec;
};
struct tm {
    int tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
    long tm_gmtoff;
    const char *tm_zone;
};
__BEGIN_C
clock_t clock(void) __NOTHROW;
time_t time(time_t *to) __NOTHROW;
int clock_gettime(clockid_t clock, struct timespec *to) __NOTHROW;
int nanosleep(const struct timespec *time, struct timespec *left) __NOTHROW;
int timespec_get(struct timespec *to, int base) __NOTHROW;
double difftime(time_t end, time_t start) __NOTHROW __attribute__((const));
time_t mktime(struct tm *time) __NOTHROW;
struct tm *gmtime(const time_t *time) __NOTHROW;
struct tm *gmtime_r(const time_t *restrict time, struct tm *restrict to) __NOTHROW;
struct tm *localtime(const time_t *time) __NOTHROW;
struct tm *localtime_r(const time_t *restrict time, struct tm *restrict to) __NOTHROW;
char *asctime(const struct tm *time) __NOTHROW;
char *asctime_r(const struct tm *restrict time, char *restrict to) __NOTHROW;
char *ctime(const time_t *time) __NOTHROW;
size_t strftime(char *restrict to, size_t n, const char *restrict format, const struct tm *restrict time) __NOTHROW;
__END_C
#endif
