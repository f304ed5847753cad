/* The engine that runs a BareFlow program: what it measured, what it is asked. And engines of the program's own, for code that
 * comes while it runs: plug-ins, code it generates.
 *
 * Every function starts in the interpreter and is compiled at O0, O1, O2 and O3 as it gets hot, while the program runs. A
 * program can mark regions of its own, ask how far a function got, and hurry things up. In Rust: `guest::jit`.
 *
 * In an exported program there is no engine: everything is compiled at O3, counts and cycles are 0, and the other functions of the
 * first part do nothing. Names are those of the program's symbols; for C they are the functions' own. Every function may be called from any
 * thread.
 */
#ifndef BAREFLOW_JIT_RUNTIME_H
#define BAREFLOW_JIT_RUNTIME_H

#include <stddef.h>
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
 * are not measured); a program has at most 256 names, further ones are ignored. A pass through a region costs some 20 cycles
 * (names of up to 31 bytes). To that end, not every pass is timed: the first 64 of a thread are, and all while the last that was
 * timed, or their average, takes 2,000 cycles or more; of shorter ones one in 16, drawn at random. */
void jit_profile_begin(const char *region);
/* Ends it. Regions that were begun in it and not ended are given up; one that is not open is ignored. */
void jit_profile_end(const char *region);

/* Calls of a function, or times that a region was run through (each is counted); 0 for other names. Code of O3 does not count its calls, nor are
 * those counted that were inlined into their callers. */
uint64_t jit_get_call_count(const char *name);
/* Mean duration of a function's calls, or of a region, in cycles of the time-stamp counter; 0 where nothing was measured. Of
 * functions only some calls are; of regions the mean is an estimate from the passes that were timed, each of which stands for those
 * around it. What is called inside counts. */
uint64_t jit_get_avg_cycles(const char *name);

/* Compiles every function at O3 that was called at least `hot` times and is below O3, and waits for it: the number of functions
 * that got there. What cannot be compiled keeps the code it has. */
int jit_optimize_hot_functions(void);
/* Has functions be compiled at O1 after so many calls (`warm`), at O2 (`hot`) and at O3 (`very_hot`); at O0 after a tenth of
 * `warm`. A hundred backward jumps of loops count as one call. At first: 100, 1,000, 10,000. Functions that were given thresholds
 * by name (--function) keep theirs. 0, or -22 unless 1 <= warm <= hot <= very_hot. */
int jit_set_threshold(uint64_t warm, uint64_t hot, uint64_t very_hot);
/* Level of the code that a function has now: 0 to 3, JIT_INTERPRETED or JIT_UNKNOWN. */
int jit_get_optimization_level(const char *name);

/* ---- Engines of the program's own. ---------------------------------------------------------------------------------------
 *
 * An engine holds modules: LLVM bitcode (clang -emit-llvm -c, any LLVM up to 22) or LLBC containers (bareflow wrap). What a module
 * exports can be found and called, and imported by modules loaded after it; what it imports is looked for among those, the symbols
 * that jit_define_symbol named, and the runtime's functions. Its code starts in the interpreter and climbs while it runs, as the
 * program's own does, unless it is told which level to keep.
 *
 *     jit_engine engine = jit_create(16 << 20);
 *     if (jit_load_file(engine, "/plugins/filter.bc") < 0)
 *         puts(jit_last_error());
 *     int (*filter)(int) = (int (*)(int))jit_find_function(engine, "filter");
 *
 * Engines and modules are numbers above 0; functions that give numbers or codes answer a negative error instead, and
 * jit_last_error tells it in words. Every function refuses an engine that was destroyed (JIT_ERROR_HANDLE), null pointers, and
 * names that are not UTF-8 (JIT_ERROR_ARGUMENT). Damaged bitcode is refused; where LLVM's reader fails on it, half a megabyte
 * stays counted against the limit until the engine is destroyed. Modules are trusted as the program is: their code may do
 * what its code may. A fault while code of a module is compiled or runs ends the program.
 *
 * An exported program has no engine and cannot have one: a program that calls one of these functions is not exported, and the
 * command says so. Compiled as ordinary machine code (Rust's feature `host`) they all answer JIT_ERROR_NO_ENGINE.
 */

typedef int64_t jit_engine;
typedef int64_t jit_module;

enum {
    JIT_ERROR_NOT_FOUND = -2,   /* no function, or no file, of this name */
    JIT_ERROR_COMPILE = -5,     /* LLVM could not compile a function; or the disk failed */
    JIT_ERROR_MODULE = -8,      /* not a module, damaged, for another machine, or what it imports is nowhere */
    JIT_ERROR_HANDLE = -9,      /* no such engine, or no such module in it */
    JIT_ERROR_LIMIT = -12,      /* the engine's limit of memory is reached */
    JIT_ERROR_IN_USE = -16,     /* another module imports from it */
    JIT_ERROR_EXISTS = -17,     /* another module exports this symbol, or it was defined before */
    JIT_ERROR_ARGUMENT = -22,   /* a null pointer, a level that is none, a limit that is too small */
    JIT_ERROR_NO_ENGINE = -38   /* the program is machine code, and LLVM is not there */
};

/* For jit_recompile: no level to keep; the function climbs by its heat. */
enum { JIT_BY_HEAT = -3 };

/* Smallest limit of an engine, in bytes. */
enum { JIT_LEAST_MEMORY = 1 << 20 };

/* What is known of a function. */
typedef struct {
    void *address;            /* where it is called */
    jit_module module;        /* the module that exports it */
    int32_t level;            /* of its code: 0 to 3, or JIT_INTERPRETED */
    int32_t keeps_level;      /* 1: jit_recompile told it to keep that level */
    uint64_t calls;           /* that the engine counted; code of O3 does not count its calls */
    uint64_t avg_cycles;      /* of the calls that it measured; 0: none */
    uint64_t recorded_calls;  /* that jit_record_call told of */
    uint64_t recorded_cycles; /* of all of these */
    uint64_t code_bytes;      /* of its machine code; 0 while it is interpreted */
    uint64_t instructions;    /* of its IR */
} jit_function_info;

/* What an engine holds and did. */
typedef struct {
    uint64_t modules;        /* that are loaded */
    uint64_t functions;      /* that they export */
    uint64_t interpreted;    /* those of them without machine code */
    uint64_t at_level[4];    /* those at O0, O1, O2, O3 */
    uint64_t compiles;       /* that gave code, for modules that are gone, too */
    uint64_t compile_ns;     /* nanoseconds they took */
    uint64_t recorded_calls; /* of jit_record_call, for modules that are gone, too */
    uint64_t used_bytes;     /* counted against the limit */
    uint64_t most_bytes;     /* the most that were at a time */
    uint64_t limit_bytes;    /* the limit */
    uint64_t code_bytes;     /* pages of machine code, stubs included; part of used_bytes */
} jit_statistics;

/* Makes an engine whose modules hold at most so many bytes of memory: its number, or JIT_ERROR_ARGUMENT below JIT_LEAST_MEMORY.
 * Counted are pages of machine code and of variables, and bitcode and what is made of it, by an estimate of half a megabyte a
 * module, 4 KiB a function and 400 bytes an instruction. Not counted: what a compile needs while it lasts, and the stack of the
 * compiler, a thread for each module. Functions climb at the thresholds that jit_set_threshold has set by then. */
jit_engine jit_create(size_t memory_limit);
/* Unloads everything and forgets the engine: 0 or JIT_ERROR_HANDLE. No code of it may run or be called any more. */
int jit_destroy(jit_engine engine);

/* Loads a module from memory, which is not needed afterwards; `name` is for messages. The module's number, or JIT_ERROR_MODULE,
 * JIT_ERROR_LIMIT, JIT_ERROR_EXISTS: then nothing of it is left. */
jit_module jit_load_bitcode(jit_engine engine, const char *name, const void *bytes, size_t length);
/* The same from a file of the volume. Beside those errors JIT_ERROR_NOT_FOUND, and what file_open and file_read answer. */
jit_module jit_load_file(jit_engine engine, const char *path);
/* Takes a module away and frees its memory: 0, JIT_ERROR_HANDLE, or JIT_ERROR_IN_USE while a module is there that imports from it.
 * No code of it may run or be called any more. */
int jit_unload(jit_engine engine, jit_module module);
/* Has modules that are loaded from now on find a function or variable of the program's under this name: 0, or JIT_ERROR_EXISTS
 * where it was defined with another address. */
int jit_define_symbol(jit_engine engine, const char *symbol, const void *address);

/* Where a function is called, by whoever knows its type. The address stays the same, whatever code is behind it, while its module
 * is loaded. NULL where no module exports it; jit_last_error tells why. */
void *jit_find_function(jit_engine engine, const char *name);
/* Compiles a function at exactly this level (0 to 3), waits for it, and has it keep that; with JIT_BY_HEAT it climbs by itself
 * again. 0, or JIT_ERROR_NOT_FOUND, JIT_ERROR_ARGUMENT (no such level), JIT_ERROR_LIMIT, JIT_ERROR_COMPILE: then it goes on with the
 * code it has. Where memory is short the code of functions that are called least goes first. */
int jit_recompile(jit_engine engine, const char *name, int level);
/* What is known of a function: 0 or JIT_ERROR_NOT_FOUND. */
int jit_get_function_info(jit_engine engine, const char *name, jit_function_info *info);
/* The names of all functions, sorted, each ending with NUL: as many whole ones as fit into `size` bytes. Gives the bytes that all
 * of them need. */
int64_t jit_list_functions(jit_engine engine, char *names, size_t size);

/* Tells of a call of a function that took so many cycles, as the program measured it: 0 or JIT_ERROR_NOT_FOUND. */
int jit_record_call(jit_engine engine, const char *name, uint64_t cycles);
/* 1 if the calls of a function, those that were counted or those that were recorded, have earned it a better level than it has;
 * 0 if not, or if it keeps its level; or JIT_ERROR_NOT_FOUND. */
int jit_should_reoptimize(jit_engine engine, const char *name);
/* Compiles every function of which jit_should_reoptimize says so, at the level it has earned, and waits for it: the number of
 * functions that got there, or JIT_ERROR_LIMIT, JIT_ERROR_COMPILE if there was one that did not. */
int jit_auto_optimize(jit_engine engine);
/* What an engine holds and did: 0. */
int jit_get_statistics(jit_engine engine, jit_statistics *statistics);

/* Why the last of these functions that failed on this thread did so, in a line of English; "" before. The text stays until the next
 * failure on this thread. */
const char *jit_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
