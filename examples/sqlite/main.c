//! A shell for SQLite: SQL from a file, the command line or standard input; rows as text.
//!
//! SQLite itself is not here: `./x sqlite` prints where its amalgamation is, out of a package of crates.io. With it:
//!
//!     bareflow build examples/sqlite $SQLITE/sqlite3.c -I $SQLITE -D SQLITE_OS_OTHER=1 -D SQLITE_THREADSAFE=0 -o sqlite.img
//!     bareflow run sqlite.img --hosted -- 'select sqlite_version();'
//!     bareflow run sqlite.img -- -d /my.db -f /script.sql
//!
//! `--turns` serves measurements: each line of standard input is a time in nanoseconds; so long the script is run again and
//! again, each time in a new database in memory. The answer is a line with the number of runs, the nanoseconds they took and
//! a checksum of what one of them said.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sqlite3.h"

#ifdef SQLITE_OS_OTHER
int sqlite3_os_init(void); /* vfs.c */
#endif

/* Where rows and errors go: standard output, or only into the checksum (FNV-1a). */
static int silent;
static uint64_t checksum;

static void say(const char *text) {
    if (!silent) {
        fputs(text, stdout);
        return;
    }
    for (; *text; text++)
        checksum = (checksum ^ (unsigned char)*text) * 0x100000001b3;
}

static void fail(sqlite3 *db) {
    say("error: ");
    say(sqlite3_errmsg(db));
    say("\n");
}

/* One column as text; blobs in hexadecimal digits. */
static void column(sqlite3_stmt *statement, int i) {
    if (sqlite3_column_type(statement, i) == SQLITE_BLOB) {
        const unsigned char *bytes = sqlite3_column_blob(statement, i);
        say("x'");
        for (int at = 0; at < sqlite3_column_bytes(statement, i); at++) {
            char digits[3] = {"0123456789abcdef"[bytes[at] >> 4], "0123456789abcdef"[bytes[at] & 15], 0};
            say(digits);
        }
        say("'");
        return;
    }
    const unsigned char *text = sqlite3_column_text(statement, i);
    say(text ? (const char *)text : "NULL");
}

/* Runs all statements of a text; an error ends the statement it is in, and those behind it. Gives 0, or 1 after an error. */
static int run(sqlite3 *db, const char *sql) {
    while (*sql) {
        sqlite3_stmt *statement;
        if (sqlite3_prepare_v2(db, sql, -1, &statement, &sql) != SQLITE_OK) {
            fail(db);
            return 1;
        }
        int step = SQLITE_DONE;
        while (statement && (step = sqlite3_step(statement)) == SQLITE_ROW) {
            for (int i = 0; i < sqlite3_column_count(statement); i++) {
                if (i)
                    say("|");
                column(statement, i);
            }
            say("\n");
        }
        if (step != SQLITE_DONE)
            fail(db);
        sqlite3_finalize(statement);
        if (step != SQLITE_DONE)
            return 1;
    }
    return 0;
}

/* A text that grows. */
struct text {
    char *bytes;
    size_t length, room;
};

static void append(struct text *to, const char *text) {
    size_t length = strlen(text);
    if (to->length + length + 1 > to->room) {
        to->room = 2 * (to->length + length + 1);
        to->bytes = realloc(to->bytes, to->room);
        if (!to->bytes) {
            fputs("no memory for the script\n", stderr);
            exit(2);
        }
    }
    memcpy(to->bytes + to->length, text, length + 1);
    to->length += length;
}

/* Runs what was collected if it is a whole statement, or at the end of the script. */
static int feed(sqlite3 *db, struct text *collected, const char *line, int end) {
    append(collected, line);
    if (!end && !sqlite3_complete(collected->bytes))
        return 0;
    int failed = run(db, collected->bytes);
    collected->length = 0;
    collected->bytes[0] = 0;
    return failed;
}

/* Runs a script line by line, as it comes; an error does not end it. Gives 1 if there was one. */
static int script(sqlite3 *db, FILE *file) {
    struct text collected = {0};
    char line[4096];
    int failed = 0;
    while (fgets(line, sizeof line, file))
        failed |= feed(db, &collected, line, 0);
    failed |= feed(db, &collected, "", 1);
    free(collected.bytes);
    return failed;
}

static sqlite3 *open_database(const char *path) {
    sqlite3 *db;
    if (sqlite3_open(path, &db) != SQLITE_OK) {
        fprintf(stderr, "cannot open %s: %s\n", path, db ? sqlite3_errmsg(db) : "no memory");
        exit(2);
    }
    return db;
}

static FILE *open_script(const char *path) {
    FILE *file = fopen(path, "r");
    if (!file) {
        perror(path);
        exit(2);
    }
    return file;
}

static uint64_t now_ns(void) {
    struct timespec time;
    timespec_get(&time, TIME_UTC);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* See the head of the file. The script is cut into statements once. */
static int turns(const char *path) {
    struct text *statements = NULL, collected = {0};
    size_t count = 0;
    char line[4096];
    FILE *file = open_script(path);
    while (fgets(line, sizeof line, file)) {
        append(&collected, line);
        if (sqlite3_complete(collected.bytes)) {
            statements = realloc(statements, (count + 1) * sizeof *statements);
            if (!statements)
                return 2;
            statements[count++] = collected;
            collected = (struct text){0};
        }
    }
    fclose(file);
    silent = 1;
    while (fgets(line, sizeof line, stdin)) {
        uint64_t wanted = strtoull(line, NULL, 10), start = now_ns(), spent = 0;
        unsigned runs = 0;
        do {
            checksum = 0xcbf29ce484222325;
            sqlite3 *db = open_database(":memory:");
            for (size_t i = 0; i < count; i++)
                run(db, statements[i].bytes);
            sqlite3_close(db);
            runs++;
            spent = now_ns() - start;
        } while (spent < wanted);
        printf("%u %llu %016llx\n", runs, (unsigned long long)spent, (unsigned long long)checksum);
        fflush(stdout);
    }
    return 0;
}

int main(int argc, char **argv) {
    const char *database = ":memory:", *file = NULL;
    int i = 1, failed = 0;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (!strcmp(argv[i], "-d"))
            database = argv[i + 1];
        else if (!strcmp(argv[i], "-f"))
            file = argv[i + 1];
        else if (!strcmp(argv[i], "--turns"))
            return turns(argv[i + 1]);
        else
            break;
    }
    if (i < argc && argv[i][0] == '-') {
        fputs("usage: [-d DATABASE] [-f SCRIPT] [SQL ...] | --turns SCRIPT\n", stderr);
        return 2;
    }
    sqlite3 *db = open_database(database);
    if (file) {
        FILE *opened = open_script(file);
        failed |= script(db, opened);
        fclose(opened);
    } else if (i == argc) {
        failed |= script(db, stdin);
    }
    for (; i < argc; i++)
        failed |= run(db, argv[i]);
    if (sqlite3_close(db) != SQLITE_OK)
        fail(db);
    return failed;
}
