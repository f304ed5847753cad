// main is one loop: a linear congruential generator and a hash of what it yields.
#include "../progress.h"

int main(int argc, char **argv) {
    uint64_t state = 1, hash = 14695981039346656037u;
    start(argc, argv);
    do {
        for (int i = 0; i < 10000; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            hash = (hash ^ (state >> 33)) * 1099511628211u;
            if (hash & 1) hash ^= hash >> 29;
        }
    } while (tick());
    return report(hash);
}
