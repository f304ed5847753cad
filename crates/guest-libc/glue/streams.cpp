//! Streams on the guest interface: LLVM-libc's buffered File over the console and the volume's files.
//!
//! Every open stream is in a list, so that `fflush(NULL)` and `exit` find what is still to be written.

#include "streams.h"

#include "guest.h"
#include "src/__support/CPP/new.h"
#include "src/errno/libc_errno.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef stdin
#undef stdout
#undef stderr

namespace LIBC_NAMESPACE_DECL {

namespace {

constexpr size_t CONSOLE_BUFFER = 1024;
constexpr size_t FILE_BUFFER = 8192;

// The console gives lines without their newline; one that is shorter than what fits ended with one.
FileIOResult console_read(File *, void *to, size_t size) {
    if (size < 2)
        return {0, EINVAL};
    ptrdiff_t n = bf_console_read(static_cast<char *>(to), size - 1);
    if (n < 0)
        return size_t(0);
    if (size_t(n) < size - 1)
        static_cast<char *>(to)[n++] = '\n';
    return size_t(n);
}

// A stream without a buffer reads byte by byte: the line is kept here for it.
char input_line[CONSOLE_BUFFER];
size_t input_at, input_end;

FileIOResult input_read(File *file, void *to, size_t size) {
    if (input_at == input_end) {
        FileIOResult got = console_read(file, input_line, sizeof input_line);
        if (got.has_error() || got.value == 0)
            return got;
        input_at = 0;
        input_end = got.value;
    }
    size_t n = input_end - input_at < size ? input_end - input_at : size;
    memcpy(to, input_line + input_at, n);
    input_at += n;
    return n;
}

FileIOResult console_write(File *, const void *from, size_t size) {
    bf_console_write(static_cast<const char *>(from), size);
    return size;
}

FileIOResult no_read(File *, void *, size_t) { return {0, EBADF}; }
FileIOResult no_write(File *, const void *, size_t) { return {0, EBADF}; }
ErrorOr<off_t> no_seek(File *, off_t, int) { return Error(ESPIPE); }
int no_close(File *) { return 0; }

FileIOResult file_read(File *, void *, size_t);
FileIOResult file_write(File *, const void *, size_t);
ErrorOr<off_t> file_seek(File *, off_t, int);
int file_close(File *);

/// Bits of `bf_file_open_with`.
constexpr uint32_t OPEN_WRITE = 1, OPEN_CREATE = 2, OPEN_TRUNCATE = 4, OPEN_EXCLUSIVE = 8;

constexpr File::ModeFlags READ = File::ModeFlags(File::OpenMode::READ);
constexpr File::ModeFlags WRITE = File::ModeFlags(File::OpenMode::WRITE);
constexpr File::ModeFlags APPEND = File::ModeFlags(File::OpenMode::APPEND);
constexpr File::ModeFlags PLUS = File::ModeFlags(File::OpenMode::PLUS);
constexpr File::ModeFlags EXCLUSIVE = File::ModeFlags(File::CreateType::EXCLUSIVE);

} // namespace

/// A stream of the program's.
class Stream : public File {
  public:
    /// Of the console: -1.
    int64_t handle;
    /// Whether each write goes to the end.
    bool append = false;
    uint64_t offset = 0;
    Stream *next = nullptr;

    constexpr Stream(WriteFunc *write, ReadFunc *read, SeekFunc *seek, CloseFunc *close, int64_t handle, uint8_t *buffer,
                     size_t size, int buffering, bool owned, ModeFlags mode)
        : File(write, read, seek, close, buffer, size, buffering, owned, mode), handle(handle) {}
};

namespace {

uint8_t input_buffer[CONSOLE_BUFFER], output_buffer[CONSOLE_BUFFER];
constinit Stream input(no_write, input_read, no_seek, no_close, -1, input_buffer, CONSOLE_BUFFER, _IOFBF, false, READ);
constinit Stream output(console_write, no_read, no_seek, no_close, -1, output_buffer, CONSOLE_BUFFER, _IOLBF, false,
                        APPEND);
constinit Stream errors(console_write, no_read, no_seek, no_close, -1, nullptr, 0, _IONBF, false, APPEND);

constinit Mutex list_lock(false, false, false, false);
constinit Stream *open_streams;

FileIOResult file_read(File *file, void *to, size_t size) {
    auto *stream = static_cast<Stream *>(file);
    int64_t n = bf_file_read(stream->handle, stream->offset, to, size);
    if (n < 0)
        return {0, int(-n)};
    stream->offset += uint64_t(n);
    return size_t(n);
}

FileIOResult file_write(File *file, const void *from, size_t size) {
    auto *stream = static_cast<Stream *>(file);
    if (stream->append) {
        int64_t end = bf_file_size(stream->handle);
        if (end < 0)
            return {0, int(-end)};
        stream->offset = uint64_t(end);
    }
    size_t done = 0;
    while (done < size) {
        int64_t n =
            bf_file_write(stream->handle, stream->offset, static_cast<const uint8_t *>(from) + done, size - done);
        if (n <= 0)
            return {done, n ? int(-n) : EIO};
        stream->offset += uint64_t(n);
        done += size_t(n);
    }
    return done;
}

ErrorOr<off_t> file_seek(File *file, off_t offset, int whence) {
    auto *stream = static_cast<Stream *>(file);
    int64_t base = 0;
    if (whence == SEEK_CUR)
        base = int64_t(stream->offset);
    else if (whence == SEEK_END)
        base = bf_file_size(stream->handle);
    if (base < 0)
        return Error(int(-base));
    off_t to;
    if (__builtin_add_overflow(base, offset, &to) || to < 0)
        return Error(EINVAL);
    stream->offset = uint64_t(to);
    return to;
}

int file_close(File *file) {
    auto *stream = static_cast<Stream *>(file);
    list_lock.lock();
    for (Stream **at = &open_streams; *at; at = &(*at)->next) {
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    }
    list_lock.unlock();
    int64_t result = bf_file_close(stream->handle);
    free(stream);
    return result < 0 ? int(-result) : 0;
}

} // namespace

File *stdin = &input;
File *stdout = &output;
File *stderr = &errors;

ErrorOr<File *> openfile(const char *path, const char *mode) {
    File::ModeFlags flags = File::mode_flags(mode);
    if (flags == 0)
        return Error(EINVAL);
    uint32_t how = 0;
    if (flags & (WRITE | APPEND | PLUS))
        how |= OPEN_WRITE;
    if (flags & (WRITE | APPEND))
        how |= OPEN_CREATE;
    if (flags & WRITE)
        how |= OPEN_TRUNCATE;
    if (flags & EXCLUSIVE)
        how |= OPEN_EXCLUSIVE;
    int64_t handle = bf_file_open_with(path, strlen(path), how);
    if (handle < 0)
        return Error(int(-handle));
    auto *buffer = static_cast<uint8_t *>(malloc(FILE_BUFFER));
    void *place = malloc(sizeof(Stream));
    if (!buffer || !place) {
        free(buffer);
        free(place);
        bf_file_close(handle);
        return Error(ENOMEM);
    }
    auto *stream = new (place)
        Stream(file_write, file_read, file_seek, file_close, handle, buffer, FILE_BUFFER, _IOFBF, true, flags);
    stream->append = flags & APPEND;
    list_lock.lock();
    stream->next = open_streams;
    open_streams = stream;
    list_lock.unlock();
    return stream;
}

int flush_all() {
    int result = output.flush();
    list_lock.lock();
    for (Stream *stream = open_streams; stream; stream = stream->next) {
        int error = stream->flush();
        if (!result)
            result = error;
    }
    list_lock.unlock();
    return result;
}

} // namespace LIBC_NAMESPACE_DECL

using namespace LIBC_NAMESPACE;

extern "C" {

FILE *stdin = reinterpret_cast<FILE *>(&input);
FILE *stdout = reinterpret_cast<FILE *>(&output);
FILE *stderr = reinterpret_cast<FILE *>(&errors);

int fflush(FILE *stream) {
    int error = stream ? reinterpret_cast<File *>(stream)->flush() : flush_all();
    if (!error)
        return 0;
    libc_errno = error;
    return EOF;
}

int fileno(FILE *stream) {
    if (stream == ::stdin || stream == ::stdout || stream == ::stderr)
        return stream == ::stdin ? 0 : stream == ::stdout ? 1 : 2;
    return 3 + int(reinterpret_cast<Stream *>(stream)->handle);
}

void rewind(FILE *stream) {
    fseeko(stream, 0, SEEK_SET);
    clearerr(stream);
}

int fgetpos(FILE *stream, fpos_t *position) {
    off_t at = ftello(stream);
    if (at < 0)
        return -1;
    position->__position = at;
    return 0;
}

int fsetpos(FILE *stream, const fpos_t *position) { return fseeko(stream, position->__position, SEEK_SET); }

// A stream lives where it was allocated, so another file in its place would be another FILE.
FILE *freopen(const char *, const char *, FILE *stream) {
    fflush(stream);
    libc_errno = ENOTSUP;
    return nullptr;
}

// The volume keeps what it has a name for: there are no files that go away by themselves.
FILE *tmpfile() {
    libc_errno = ENOTSUP;
    return nullptr;
}

char *tmpnam(char *name) noexcept {
    static char own[L_tmpnam];
    static unsigned count;
    char *to = name ? name : own;
    snprintf(to, L_tmpnam, "/tmp%06u", count++ % TMP_MAX);
    return to;
}

static int done(int64_t result) {
    if (result >= 0)
        return 0;
    libc_errno = int(-result);
    return -1;
}

int remove(const char *path) noexcept { return done(bf_file_remove(path, strlen(path))); }

int rename(const char *from, const char *to) noexcept {
    return done(bf_file_rename(from, strlen(from), to, strlen(to)));
}

void perror(const char *text) {
    if (text && *text)
        fprintf(::stderr, "%s: ", text);
    fprintf(::stderr, "%s\n", strerror(libc_errno));
}

} // extern "C"
