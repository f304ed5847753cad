// Code memory as the engine keeps it: a reservation that costs nothing, units written, executed, replaced, given back.
// exit: 0
// memory: 128
// expect: ok reserved for nothing
// expect: ok units
// expect: ok nothing is left
// expect: ok replaced while another thread runs
#include "check.h"
#include <sys/sysinfo.h>

enum { PAGE = 4096, MIB = 1 << 20, RESERVED = 256 * MIB, UNITS = 400 };

static unsigned char *reserve(void *at, size_t bytes) {
    int fixed = at ? MAP_FIXED : 0;
    void *got = mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
    CHECK(got != MAP_FAILED && (!at || got == at));
    return got;
}

/* Writes a function that returns `value` into fresh pages of the reservation and makes them executable. */
static int (*unit(unsigned char *at, size_t pages, int value))(void) {
    CHECK(mprotect(at, pages * PAGE, PROT_READ | PROT_WRITE) == 0);
    for (size_t i = 0; i < pages * PAGE; i += 512)
        CHECK(at[i] == 0);
    unsigned char *entry = at + (pages - 1) * PAGE;
    entry[0] = 0xb8; /* mov eax, value; ret */
    memcpy(entry + 1, &value, 4);
    entry[5] = 0xc3;
    CHECK(mprotect(at, pages * PAGE, PROT_READ | PROT_EXEC) == 0);
    return (int (*)(void))(uintptr_t)entry;
}

/* How much can still be promised, in MiB: what a reservation or a leak would take away. */
static int promises(void) {
    static void *blocks[4096];
    int count = 0;
    while (count < 4096 && (blocks[count] = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                                                 0)) != MAP_FAILED)
        count++;
    for (int i = 0; i < count; i++)
        CHECK(munmap(blocks[i], MIB) == 0);
    return count;
}

static int (*volatile slot)(void);
static volatile int stop;

static void *call(void *unused) {
    while (!stop) {
        int value = slot();
        CHECK(value >= 1000);
    }
    return unused;
}

int main(void) {
    struct sysinfo info;
    CHECK(sysinfo(&info) == 0);
    size_t memory = info.totalram * info.mem_unit;
    int small = memory < RESERVED; /* Linux may have more, and promises more than it has */
    int before = small ? promises() : 0;
    unsigned char *base = reserve(NULL, RESERVED);
    CHECK(!small || promises() == before);
    ok("reserved for nothing");

    /* Units of all sizes one behind the other, as they come; then every second is replaced in its hole. */
    static struct {
        unsigned char *at;
        size_t pages;
        int (*run)(void);
    } units[UNITS];
    unsigned char *next = base;
    unsigned seed = 1;
    for (int i = 0; i < UNITS; i++) {
        size_t pages = 1 + (unsigned)rand_r(&seed) % 6;
        units[i].at = next;
        units[i].pages = pages;
        units[i].run = unit(next, pages, i);
        next += pages * PAGE;
    }
    for (int i = 0; i < UNITS; i++)
        CHECK(units[i].run() == i);
    for (int round = 1; round < 20; round++)
        for (int i = round % 2; i < UNITS; i += 2) {
            reserve(units[i].at, units[i].pages * PAGE);
            units[i].run = unit(units[i].at, units[i].pages, i + round);
            CHECK(units[i].run() == i + round && units[i ^ 1].run() % UNITS >= 0);
        }
    ok("units");

    /* Given back from the middle outwards; the reservation stays one. */
    for (int i = 0; i < UNITS; i++) {
        int at = i % 2 ? (UNITS - i) / 2 : (UNITS + i) / 2;
        reserve(units[at % UNITS].at, units[at % UNITS].pages * PAGE);
    }
    reserve(base, RESERVED);
    CHECK(!small || promises() == before);
    CHECK(munmap(base, RESERVED) == 0);
    ok("nothing is left");

    /* Code is swapped under a thread that calls it; pages of the one before the last are free again. */
    base = reserve(NULL, RESERVED);
    slot = unit(base, 1, 1000);
    pthread_t caller;
    CHECK(pthread_create(&caller, NULL, call, NULL) == 0);
    for (int round = 1; round < 200; round++) {
        slot = unit(base + round * PAGE, 1, 1000 + round);
        if (round % 16 == 0)
            sched_yield();
    }
    stop = 1;
    CHECK(pthread_join(caller, NULL) == 0);
    reserve(base, 199 * PAGE);
    CHECK(slot != NULL && munmap(base, RESERVED) == 0);
    ok("replaced while another thread runs");
    return 0;
}
