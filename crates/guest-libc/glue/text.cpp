//! What LLVM-libc 19 has wrongly of <string.h>: `strsep` forgets the empty field behind a last separator.

#include <string.h>

extern "C" char *strsep(char **text, const char *set) noexcept {
    char *field = *text;
    if (!field)
        return nullptr;
    char *end = field + strcspn(field, set);
    *text = *end ? end + 1 : nullptr;
    *end = 0;
    return field;
}
