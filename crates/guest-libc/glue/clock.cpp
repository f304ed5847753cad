//! Time: seconds of the machine's clock, and dates in UTC as text.

#include "guest.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

namespace {

const char *const DAYS[] = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"};
const char *const MONTHS[] = {"January", "February", "March",     "April",   "May",      "June",
                              "July",    "August",   "September", "October", "November", "December"};

const char *name(const char *const *names, int count, int which) {
    return which >= 0 && which < count ? names[which] : "?";
}

/// Weeks that began before this day of the year, where weeks begin on `first` (0: Sunday).
int week(const tm &t, int first) { return (t.tm_yday + 7 - (t.tm_wday - first + 7) % 7) / 7; }

bool leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

/// ISO 8601: the week with the year's first Thursday is its first; days before it are of the year before.
int iso_week(const tm &t, int *year) {
    int y = t.tm_year + 1900;
    int day = (t.tm_wday + 6) % 7;
    int w = (t.tm_yday - day + 10) / 7;
    auto weeks = [](int year, int january_first) {
        return january_first == 3 || (january_first == 2 && leap(year)) ? 53 : 52;
    };
    int january_first = ((day - t.tm_yday) % 7 + 7) % 7;
    if (w < 1) {
        y--;
        w = weeks(y, ((january_first - (leap(y) ? 366 : 365)) % 7 + 7) % 7);
    } else if (w > weeks(y, january_first)) {
        y++;
        w = 1;
    }
    *year = y;
    return w;
}

/// Text of fixed capacity; what does not fit makes the whole call fail.
struct Text {
    char *to;
    size_t room;
    size_t length = 0;

    void put(char c) {
        if (length < room)
            to[length] = c;
        length++;
    }
    void put(const char *text) {
        while (*text)
            put(*text++);
    }
    void number(const char *format, long value) {
        char digits[32];
        snprintf(digits, sizeof digits, format, value);
        put(digits);
    }
    void time(const char *format, const tm &t);
    void field(char conversion, const tm &t);
};

void Text::field(char conversion, const tm &t) {
    int year;
    int hour12 = t.tm_hour % 12 ? t.tm_hour % 12 : 12;
    auto abbreviated = [&](const char *text) {
        for (int i = 0; i < 3 && text[i]; i++)
            put(text[i]);
    };
    switch (conversion) {
    case 'a': return abbreviated(name(DAYS, 7, t.tm_wday));
    case 'A': return put(name(DAYS, 7, t.tm_wday));
    case 'b':
    case 'h': return abbreviated(name(MONTHS, 12, t.tm_mon));
    case 'B': return put(name(MONTHS, 12, t.tm_mon));
    case 'c': return time("%a %b %e %H:%M:%S %Y", t);
    case 'C': return number("%02ld", (t.tm_year + 1900) / 100);
    case 'd': return number("%02ld", t.tm_mday);
    case 'D': return time("%m/%d/%y", t);
    case 'e': return number("%2ld", t.tm_mday);
    case 'F': return time("%Y-%m-%d", t);
    case 'g': iso_week(t, &year); return number("%02ld", year % 100);
    case 'G': iso_week(t, &year); return number("%ld", year);
    case 'H': return number("%02ld", t.tm_hour);
    case 'I': return number("%02ld", hour12);
    case 'j': return number("%03ld", t.tm_yday + 1);
    case 'm': return number("%02ld", t.tm_mon + 1);
    case 'M': return number("%02ld", t.tm_min);
    case 'n': return put('\n');
    case 'p': return put(t.tm_hour < 12 ? "AM" : "PM");
    case 'r': return time("%I:%M:%S %p", t);
    case 'R': return time("%H:%M", t);
    case 'S': return number("%02ld", t.tm_sec);
    case 't': return put('\t');
    case 'T': return time("%H:%M:%S", t);
    case 'u': return number("%ld", t.tm_wday ? t.tm_wday : 7);
    case 'U': return number("%02ld", week(t, 0));
    case 'V': return number("%02ld", iso_week(t, &year));
    case 'w': return number("%ld", t.tm_wday);
    case 'W': return number("%02ld", week(t, 1));
    case 'x': return time("%m/%d/%y", t);
    case 'X': return time("%H:%M:%S", t);
    case 'y': return number("%02ld", (t.tm_year % 100 + 100) % 100);
    case 'Y': return number("%ld", t.tm_year + 1900L);
    case 'z': return put("+0000");
    case 'Z': return put("GMT");
    case '%': return put('%');
    default: put('%'); return put(conversion);
    }
}

void Text::time(const char *format, const tm &t) {
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        format++;
        // Alternative forms are those of the C locale.
        if ((*format == 'E' || *format == 'O') && format[1])
            format++;
        if (!*format)
            return put('%');
        field(*format, t);
    }
}

constexpr uint64_t SECOND = 1000000000;

} // namespace

extern "C" {

size_t strftime(char *to, size_t n, const char *format, const struct tm *t) noexcept {
    Text text{to, n};
    text.time(format, *t);
    if (text.length >= n)
        return 0;
    to[text.length] = 0;
    return text.length;
}

clock_t clock() noexcept { return clock_t(bf_time_ns() / (SECOND / CLOCKS_PER_SEC)); }

time_t time(time_t *to) noexcept {
    time_t now = time_t(bf_unix_time_ns() / SECOND);
    if (to)
        *to = now;
    return now;
}

int clock_gettime(clockid_t clock, struct timespec *to) noexcept {
    uint64_t now = clock == CLOCK_REALTIME ? bf_unix_time_ns() : bf_time_ns();
    to->tv_sec = time_t(now / SECOND);
    to->tv_nsec = long(now % SECOND);
    return 0;
}

int nanosleep(const struct timespec *time, struct timespec *left) noexcept {
    if (time->tv_sec < 0 || time->tv_nsec < 0 || time->tv_nsec >= long(SECOND)) {
        errno = EINVAL;
        return -1;
    }
    bf_sleep_ns(uint64_t(time->tv_sec) * SECOND + uint64_t(time->tv_nsec));
    if (left)
        *left = {0, 0};
    return 0;
}

int timespec_get(struct timespec *to, int base) noexcept {
    if (base != TIME_UTC)
        return 0;
    clock_gettime(CLOCK_REALTIME, to);
    return base;
}

struct tm *localtime(const time_t *t) noexcept { return gmtime(t); }
struct tm *localtime_r(const time_t *t, struct tm *to) noexcept { return gmtime_r(t, to); }
char *ctime(const time_t *t) noexcept { return asctime(gmtime(t)); }

} // extern "C"
