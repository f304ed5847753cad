// Files on the FAT volume: create, write, read, seek, list, rename, remove, and the errors.
// exit: 0
// expect: ok write and read
// expect: ok seek
// expect: ok large
// expect: ok directories
// expect: ok rename and remove
// expect: ok errors
// expect: ok special files
// expect: ok pipe
// expect: ok stdio
// machine-only
#include "check.h"
#include <dirent.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

static char block[300000];

static void *feed(void *end) {
    int fd = (int)(intptr_t)end;
    for (int i = 0; i < 100; i++)
        CHECK(write(fd, block, 3000) == 3000);
    close(fd);
    return NULL;
}

int main(void) {
    CHECK(chdir("/") == 0 || 1);
    mkdir("/t", 0755);
    CHECK(chdir("/t") == 0);
    unlink("a long file name.txt");
    unlink("b.bin");
    int fd = open("a long file name.txt", O_RDWR | O_CREAT | O_EXCL, 0644);
    CHECK(fd >= 3);
    CHECK(write(fd, "hello, world", 12) == 12);
    char text[64] = {0};
    CHECK(pread(fd, text, sizeof text, 7) == 5 && !strcmp(text, "world"));
    CHECK(pwrite(fd, "W", 1, 7) == 1);
    struct iovec parts[2] = {{"<", 1}, {">\n", 2}};
    CHECK(writev(fd, parts, 2) == 3);
    CHECK(lseek(fd, 0, SEEK_SET) == 0 && read(fd, text, sizeof text) == 15 && !memcmp(text, "hello, World<>\n", 15));
    CHECK(read(fd, text, 1) == 0);
    CHECK(fsync(fd) == 0 && close(fd) == 0);
    ok("write and read");

    fd = open("/t/A LONG FILE NAME.TXT", O_RDONLY);
    CHECK(fd >= 0 && lseek(fd, -8, SEEK_END) == 7 && read(fd, text, 5) == 5 && !memcmp(text, "World", 5));
    CHECK(lseek(fd, -1, SEEK_SET) == -1 && errno == EINVAL);
    struct stat info;
    CHECK(fstat(fd, &info) == 0 && info.st_size == 15 && S_ISREG(info.st_mode));
    close(fd);
    ok("seek");

    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 7 + i / 251);
    fd = open("b.bin", O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (int i = 0; i < 10; i++)
        CHECK(write(fd, block, sizeof block) == sizeof block);
    char *copy = malloc(10 * sizeof block);
    CHECK(pread(fd, copy, 10 * sizeof block, 0) == 10 * sizeof block);
    for (int i = 0; i < 10; i++)
        CHECK(!memcmp(copy + i * sizeof block, block, sizeof block));
    CHECK(pread(fd, copy, 100000, 12345) == 100000 && !memcmp(copy, block + 12345, 100000));
    char *map = mmap(NULL, 10 * sizeof block, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(map != MAP_FAILED && !memcmp(map + sizeof block, block, sizeof block));
    CHECK(munmap(map, 10 * sizeof block) == 0);
    CHECK(ftruncate(fd, 1000) == 0 && fstat(fd, &info) == 0 && info.st_size == 1000);
    CHECK(ftruncate(fd, 2000) == 0 && pread(fd, copy, 2000, 0) == 2000);
    CHECK(!memcmp(copy, block, 1000) && copy[1000] == 0 && copy[1999] == 0);
    close(fd);
    free(copy);
    ok("large");

    CHECK(mkdir("dir", 0755) == 0 || errno == EEXIST);
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "dir/entry number %d", i);
        fd = open(text, O_WRONLY | O_CREAT, 0644);
        CHECK(fd >= 0);
        close(fd);
    }
    DIR *directory = opendir("dir");
    CHECK(directory);
    int seen = 0;
    for (struct dirent *entry; (entry = readdir(directory));)
        seen += !strncmp(entry->d_name, "entry number", 12);
    closedir(directory);
    CHECK(seen == 20);
    CHECK(stat("dir/../dir/./entry number 7", &info) == 0 && stat("dir", &info) == 0 && S_ISDIR(info.st_mode));
    ok("directories");

    CHECK(rename("dir/entry number 1", "dir/other") == 0 && access("dir/entry number 1", F_OK) == -1);
    CHECK(rename("dir/entry number 2", "dir/other") == 0);
    CHECK(unlink("dir") == -1 && rmdir("dir") == -1 && errno == ENOTEMPTY);
    unlink("dir/other");
    for (int i = 0; i < 20; i++) {
        snprintf(text, sizeof text, "dir/entry number %d", i);
        unlink(text);
    }
    CHECK(rmdir("dir") == 0 && access("dir", F_OK) == -1 && errno == ENOENT);
    ok("rename and remove");

    CHECK(open("none", O_RDONLY) == -1 && errno == ENOENT);
    CHECK(open("b.bin/x", O_RDONLY) == -1 && errno == ENOTDIR);
    CHECK(open("b.bin", O_RDWR | O_CREAT | O_EXCL, 0644) == -1 && errno == EEXIST);
    CHECK(open("/t", O_RDWR) == -1 && errno == EISDIR);
    CHECK(read(77, text, 1) == -1 && errno == EBADF);
    CHECK(close(77) == -1 && errno == EBADF);
    fd = open("b.bin", O_RDONLY);
    CHECK(write(fd, "x", 1) == -1 && errno == EBADF);
    CHECK(syscall(SYS_read, fd, 8, 100) == -1 && errno == EFAULT);
    CHECK(ioctl(fd, 0x5401, text) == -1 && errno == ENOTTY);
    close(fd);
    ok("errors");

    fd = open("/dev/null", O_RDWR);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1 && read(fd, text, 1) == 0);
    close(fd);
    fd = open("/dev/urandom", O_RDONLY);
    memset(text, 0, 32);
    CHECK(fd >= 0 && read(fd, text, 32) == 32);
    int zeroes = 0;
    for (int i = 0; i < 32; i++)
        zeroes += !text[i];
    CHECK(zeroes < 8);
    close(fd);
    CHECK(readlink("/proc/self/exe", text, sizeof text) > 0);
    ok("special files");

    int ends[2];
    CHECK(pipe(ends) == 0);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, feed, (void *)(intptr_t)ends[1]) == 0);
    long total = 0;
    for (long count; (count = read(ends[0], text, sizeof text)) > 0; total += count)
        CHECK(text[0] == block[total % 3000]);
    CHECK(total == 300000 && pthread_join(thread, NULL) == 0);
    ok("pipe");

    FILE *file = fopen("c.txt", "w");
    CHECK(file);
    for (int i = 0; i < 1000; i++)
        fprintf(file, "line %d\n", i);
    CHECK(fclose(file) == 0);
    file = fopen("c.txt", "a+");
    fputs("end\n", file);
    rewind(file);
    int lines = 0;
    while (fgets(text, sizeof text, file))
        lines++;
    CHECK(lines == 1001 && !strcmp(text, "end\n") && fclose(file) == 0 && remove("c.txt") == 0);
    ok("stdio");
    unlink("b.bin");
    return 0;
}
