//! SQLite's files on the volume of the machine (https://sqlite.org/vfs.html), by the functions of runtime.h.
//!
//! One program has the machine for itself, so locks are not needed: the volume gives a file to one writer at a time. What is
//! written is on the disk after xSync. There is no shared memory, and so no write-ahead log (rollback journals work).
#ifdef SQLITE_OS_OTHER
#include <runtime.h>
#include <string.h>

#include "sqlite3.h"

enum { NOT_THERE = -2, NO_ROOM = -28, TOO_LARGE = -27, PATH_BYTES = 512 };

struct volume_file {
    sqlite3_file base; /* first: SQLite knows this part only */
    int number;
    int temporary; /* removed when it is closed */
    char path[PATH_BYTES];
};

static int close_file(sqlite3_file *base) {
    struct volume_file *file = (struct volume_file *)base;
    int closed = file_close(file->number);
    if (file->temporary)
        file_remove(file->path);
    return closed ? SQLITE_IOERR_CLOSE : SQLITE_OK;
}

static int read_file(sqlite3_file *base, void *to, int length, sqlite3_int64 offset) {
    struct volume_file *file = (struct volume_file *)base;
    if (file_seek(file->number, offset, FILE_START) < 0)
        return SQLITE_IOERR_READ;
    int64_t got = file_read(file->number, to, (size_t)length);
    if (got < 0)
        return SQLITE_IOERR_READ;
    if (got == length)
        return SQLITE_OK;
    /* SQLite wants zeroes for what lies behind the end. */
    memset((char *)to + got, 0, (size_t)(length - got));
    return SQLITE_IOERR_SHORT_READ;
}

static int write_file(sqlite3_file *base, const void *from, int length, sqlite3_int64 offset) {
    struct volume_file *file = (struct volume_file *)base;
    if (file_seek(file->number, offset, FILE_START) < 0)
        return SQLITE_IOERR_WRITE;
    int64_t done = file_write(file->number, from, (size_t)length);
    if (done == length)
        return SQLITE_OK;
    return done == NO_ROOM || done == TOO_LARGE ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int truncate_file(sqlite3_file *base, sqlite3_int64 size) {
    return file_resize(((struct volume_file *)base)->number, (uint64_t)size) ? SQLITE_IOERR_TRUNCATE : SQLITE_OK;
}

static int sync_file(sqlite3_file *base, int flags) {
    (void)flags;
    return file_sync(((struct volume_file *)base)->number) ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int size_of_file(sqlite3_file *base, sqlite3_int64 *size) {
    *size = file_size(((struct volume_file *)base)->number);
    return *size < 0 ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

static int lock_file(sqlite3_file *base, int level) {
    (void)base, (void)level;
    return SQLITE_OK;
}

static int is_reserved(sqlite3_file *base, int *reserved) {
    (void)base;
    *reserved = 0;
    return SQLITE_OK;
}

static int control_file(sqlite3_file *base, int operation, void *argument) {
    (void)base, (void)operation, (void)argument;
    return SQLITE_NOTFOUND;
}

static int sector_bytes(sqlite3_file *base) {
    (void)base;
    return 512;
}

static int characteristics(sqlite3_file *base) {
    (void)base;
    return 0;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = close_file,
    .xRead = read_file,
    .xWrite = write_file,
    .xTruncate = truncate_file,
    .xSync = sync_file,
    .xFileSize = size_of_file,
    .xLock = lock_file,
    .xUnlock = lock_file,
    .xCheckReservedLock = is_reserved,
    .xFileControl = control_file,
    .xSectorSize = sector_bytes,
    .xDeviceCharacteristics = characteristics,
};

static int open_file(sqlite3_vfs *vfs, sqlite3_filename path, sqlite3_file *base, int flags, int *got) {
    struct volume_file *file = (struct volume_file *)base;
    memset(file, 0, sizeof *file);
    (void)vfs;
    if (path)
        sqlite3_snprintf(PATH_BYTES, file->path, "%s", path);
    else
        sqlite3_snprintf(PATH_BYTES, file->path, "/sqlite-%016llx", random_u64());
    file->temporary = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    uint32_t how = FILE_READ;
    if (flags & SQLITE_OPEN_READWRITE)
        how = FILE_WRITE | (flags & SQLITE_OPEN_CREATE ? FILE_CREATE : 0) |
              (flags & SQLITE_OPEN_EXCLUSIVE ? FILE_EXCLUSIVE : 0);
    file->number = file_open(file->path, how);
    if (file->number < 0 && how != FILE_READ && !(flags & SQLITE_OPEN_EXCLUSIVE)) {
        /* Protected, or on a volume that cannot be written to: SQLite goes on with reading. */
        file->number = file_open(file->path, FILE_READ);
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    }
    if (file->number < 0)
        return SQLITE_CANTOPEN;
    if (got)
        *got = flags;
    file->base.pMethods = &methods;
    return SQLITE_OK;
}

static int delete_file(sqlite3_vfs *vfs, const char *path, int sync_folder) {
    (void)vfs, (void)sync_folder;
    int removed = file_remove(path);
    return removed == NOT_THERE ? SQLITE_IOERR_DELETE_NOENT : removed ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

static int access_file(sqlite3_vfs *vfs, const char *path, int what, int *yes) {
    (void)vfs, (void)what;
    int file = file_open(path, FILE_READ);
    *yes = file >= 0;
    if (file >= 0)
        file_close(file);
    return SQLITE_OK;
}

static int full_path(sqlite3_vfs *vfs, const char *path, int room, char *full) {
    (void)vfs;
    sqlite3_snprintf(room, full, "%s%s", path[0] == '/' ? "" : "/", path);
    return strlen(path) + 2 > (size_t)room ? SQLITE_CANTOPEN : SQLITE_OK;
}

static int randomness(sqlite3_vfs *vfs, int length, char *to) {
    (void)vfs;
    for (int i = 0; i < length; i++)
        to[i] = (char)random_u64();
    return length;
}

static int sleep_us(sqlite3_vfs *vfs, int microseconds) {
    (void)vfs;
    time_sleep_ns((uint64_t)microseconds * 1000);
    return microseconds;
}

/* Milliseconds since noon in Greenwich on November 24, 4714 BC: the Julian day. */
static int time_ms(sqlite3_vfs *vfs, sqlite3_int64 *now) {
    (void)vfs;
    *now = 210866760000000 + (sqlite3_int64)(time_unix_ns() / 1000000);
    return SQLITE_OK;
}

static int time_days(sqlite3_vfs *vfs, double *now) {
    sqlite3_int64 ms;
    time_ms(vfs, &ms);
    *now = (double)ms / 86400000.0;
    return SQLITE_OK;
}

static int last_error(sqlite3_vfs *vfs, int room, char *text) {
    (void)vfs, (void)room, (void)text;
    return 0;
}

int sqlite3_os_init(void) {
    static sqlite3_vfs volume = {
        .iVersion = 2,
        .szOsFile = sizeof(struct volume_file),
        .mxPathname = PATH_BYTES - 1,
        .zName = "volume",
        .xOpen = open_file,
        .xDelete = delete_file,
        .xAccess = access_file,
        .xFullPathname = full_path,
        .xRandomness = randomness,
        .xSleep = sleep_us,
        .xCurrentTime = time_days,
        .xCurrentTimeInt64 = time_ms,
        .xGetLastError = last_error,
    };
    return sqlite3_vfs_register(&volume, 1);
}

int sqlite3_os_end(void) { return SQLITE_OK; }
#endif
