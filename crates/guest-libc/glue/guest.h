//! What the library calls of the guest interface (ARCHITECTURE.md, "Guest interface").
#ifndef BAREFLOW_LIBC_GUEST_H
#define BAREFLOW_LIBC_GUEST_H

#include <stddef.h>
#include <stdint.h>

extern "C" {
void bf_console_write(const char *text, size_t length);
ptrdiff_t bf_console_read(char *line, size_t capacity);
int64_t bf_file_open_with(const char *path, size_t length, uint32_t flags);
int64_t bf_file_size(int64_t file);
int64_t bf_file_read(int64_t file, uint64_t offset, void *buffer, size_t length);
int64_t bf_file_write(int64_t file, uint64_t offset, const void *bytes, size_t length);
int64_t bf_file_close(int64_t file);
int64_t bf_file_remove(const char *path, size_t length);
int64_t bf_file_rename(const char *from, size_t from_length, const char *to, size_t to_length);
uint64_t bf_time_ns(void);
uint64_t bf_unix_time_ns(void);
void bf_sleep_ns(uint64_t ns);
[[noreturn]] void bf_exit(int code);
}

#endif
