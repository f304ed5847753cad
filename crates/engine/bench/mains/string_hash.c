// main is one loop: words of a text are hashed and counted in a table.
#include "../progress.h"

int main(int argc, char **argv) {
    static char text[4096];
    unsigned count[256] = {0};
    unsigned seed = 1;
    for (unsigned i = 0; i + 1 < sizeof text; i++) {
        seed = seed * 1103515245u + 12345u;
        text[i] = seed >> 28 < 3 ? ' ' : (char)('a' + (seed >> 16) % 26);
    }
    start(argc, argv);
    do {
        const char *at = text;
        while (*at) {
            uint32_t hash = 5381;
            while (*at == ' ') at++;
            for (; *at && *at != ' '; at++) hash = hash * 33 + (unsigned char)*at;
            count[hash >> 5 & 255]++;
        }
    } while (tick());
    return report(count[17]);
}
