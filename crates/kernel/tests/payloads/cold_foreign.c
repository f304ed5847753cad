// A cold file that is not what it should be (foreign) ends the program with a message.
// exit: bad-payload
// cold: foreign
// expect: /bareflow/cold.0: 
// expect: made for another image
// forbid: it runs
// machine-only
#include "check.h"

int main(void) {
    puts("it runs");
    return 0;
}
