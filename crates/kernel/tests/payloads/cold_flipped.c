// A cold file that is not what it should be (flipped) ends the program with a message.
// exit: payload-exception
// cold: flipped
// expect: /bareflow/cold.0: page at 0x
// expect: checksum of the block
// forbid: it runs
// machine-only
#include "check.h"

int main(void) {
    puts("it runs");
    return 0;
}
