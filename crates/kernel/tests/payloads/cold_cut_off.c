// A cold file that is not what it should be (cut-off) ends the program with a message.
// exit: bad-payload
// cold: cut-off
// expect: /bareflow/cold.0: 
// expect: file cut off?
// forbid: it runs
// machine-only
#include "check.h"

int main(void) {
    puts("it runs");
    return 0;
}
