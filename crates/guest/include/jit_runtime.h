/* The engine that runs a BareFlow program: what it measured, what it is asked.
 *
 * Every function starts in the interpreter and is compiled at O0, O1, O2 and O3 as it gets hot, while the program runs. A
 * program can mark regions of its own, ask how far a function got, and hurry things up. In Rust: `guest::jit`.
 *
 * In an exported program there is no engine: everything is compiled at O3, counts and cycles are 0, and the other functions do
 * nothing. Names are those of the program's symbols; for C they are the functions' own. Every function may be called from any
 * thread.
 */
#ifndef BAREFLOW_JIT_RUNTIME_H
#define BAREFLOW_JIT_RUNTIME_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Answers of jit_get_optimization_level beside 0 to 3. */
enum {
    JIT_INTERPRETED = -1, /* no machine code yet */
    JIT_UNKNOWN = -2      /* the program has no function of this name */
};

/* Begins a region on this thread: a stretch of the program whose duration is measured. Regions nest (up to 64 deep; deeper ones
 * are not measured); a program has at most 256 names, further ones are ignored. */
void jit_profile_begin(const char *region);
/* Ends it. Regions that were begun in it and not ended are given up; one that is not open is ignored. */
void jit_profile_end(const char *region);

/* Calls of a function, or times that a region was run through; 0 for other names. Code of O3 does not count its calls, nor are
 * those counted that were inlined into their callers. */
uint64_t jit_get_call_count(const char *name);
/* Mean duration of a function's calls, or of a region, in cycles of the time-stamp counter; 0 where nothing was measured: of
 * functions only some calls are. What is called inside counts. */
uint64_t jit_get_avg_cycles(const char *name);

/* Compiles every function at O3 that was called at least `hot` times and is below O3, and waits for it: the number of functions
 * that got there. What cannot be compiled keeps the code it has. */
int jit_optimize_hot_functions(void);
/* Has functions be compiled at O1 after so many calls (`warm`), at O2 (`hot`) and at O3 (`very_hot`); at O0 after a tenth of
 * `warm`. A hundred backward jumps of loops count as one call. At first: 100, 1,000, 10,000. 0, or -22 unless
 * 1 <= warm <= hot <= very_hot. */
int jit_set_threshold(uint64_t warm, uint64_t hot, uint64_t very_hot);
/* Level of the code that a function has now: 0 to 3, JIT_INTERPRETED or JIT_UNKNOWN. */
int jit_get_optimization_level(const char *name);

#ifdef __cplusplus
}
#endif
#endif
