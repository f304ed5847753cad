//! Random blocks: what was written stays, addresses are aligned, zeroed memory is zero.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 88172645463325252;
static uint64_t next(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

enum { BLOCKS = 100 };
static struct {
    unsigned char *at, mark;
    size_t size;
} blocks[BLOCKS];

static void check(int i) {
    for (size_t j = 0; j < blocks[i].size; j += 1 + blocks[i].size / 8)
        if (blocks[i].at[j] != blocks[i].mark)
            printf("block %d of %zu bytes lost byte %zu\n", i, blocks[i].size, j), exit(1);
}

int main(void) {
    unsigned long calls = 0;
    for (int round = 0; round < 20000; round++) {
        int i = (int)(next() % BLOCKS);
        size_t size = 1 + (next() >> 20) % ((size_t)1 << next() % 17);
        if (!blocks[i].at) {
            switch (next() % 3) {
            case 0: blocks[i].at = malloc(size); break;
            case 1: blocks[i].at = calloc(size, 1); break;
            default: blocks[i].at = aligned_alloc(256, (size + 255) / 256 * 256);
                if ((uintptr_t)blocks[i].at % 256)
                    return puts("not aligned"), 1;
            }
        } else if (next() % 2) {
            check(i);
            size_t least = size < blocks[i].size ? size : blocks[i].size;
            unsigned char *to = realloc(blocks[i].at, size);
            blocks[i].at = to, blocks[i].size = least;
            if (to)
                check(i);
        } else {
            check(i);
            free(blocks[i].at);
            blocks[i].at = NULL;
            continue;
        }
        if (!blocks[i].at || (uintptr_t)blocks[i].at % 16)
            return puts("no block, or not aligned"), 1;
        blocks[i].size = size;
        blocks[i].mark = (unsigned char)next();
        memset(blocks[i].at, blocks[i].mark, size);
        calls++;
    }
    unsigned char *zero = calloc(300, 1000);
    for (int i = 0; i < 300000; i++)
        if (zero[i])
            return puts("not zero"), 1;
    free(NULL), free(zero);
    // Read from memory, so that no compiler reasons about a block nobody uses.
    volatile size_t impossible = (size_t)1 << 62;
    void *volatile none = malloc(impossible);
    printf("%lu blocks, %d\n", calls, none == NULL);
    return 0;
}
