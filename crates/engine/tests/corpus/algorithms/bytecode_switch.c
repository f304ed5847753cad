// A stack machine in a switch: arithmetic, jumps, calls, memory; programs for primes, factorial, Collatz.
#include <stdio.h>
#include <string.h>

enum op { PUSH, POP, ADD, SUB, MUL, DIV, MOD, LESS, EQUAL, NOT, JUMP, JUMP_IF, LOAD, STORE, CALL, RETURN, PRINT, DUP, SWAP, HALT };
struct machine {
    long stack[64];
    int sp, pc, frames[32], depth;
    long memory[8];
    unsigned long executed;
};
static int run(struct machine *m, const int *code, unsigned long limit) {
#define TOP m->stack[m->sp - 1]
#define BINARY(e)                                      \
    {                                                  \
        long b = m->stack[--m->sp], a = TOP;           \
        TOP = (e);                                     \
        break;                                         \
    }
    while (m->executed++ < limit) {
        switch ((enum op)code[m->pc++]) {
        case PUSH: m->stack[m->sp++] = code[m->pc++]; break;
        case POP: m->sp--; break;
        case ADD: BINARY(a + b)
        case SUB: BINARY(a - b)
        case MUL: BINARY(a * b)
        case DIV:
            if (!TOP) return -1;
            BINARY(a / b)
        case MOD:
            if (!TOP) return -1;
            BINARY(a % b)
        case LESS: BINARY(a < b)
        case EQUAL: BINARY(a == b)
        case NOT: TOP = !TOP; break;
        case JUMP: m->pc = code[m->pc]; break;
        case JUMP_IF: {
            int to = code[m->pc++];
            if (m->stack[--m->sp]) m->pc = to;
            break;
        }
        case LOAD: m->stack[m->sp++] = m->memory[code[m->pc++]]; break;
        case STORE: m->memory[code[m->pc++]] = m->stack[--m->sp]; break;
        case CALL: m->frames[m->depth++] = m->pc + 1; m->pc = code[m->pc]; break;
        case RETURN: m->pc = m->frames[--m->depth]; break;
        case PRINT: printf("%ld ", m->stack[--m->sp]); break;
        case DUP: m->stack[m->sp] = TOP; m->sp++; break;
        case SWAP: {
            long t = TOP;
            TOP = m->stack[m->sp - 2];
            m->stack[m->sp - 2] = t;
            break;
        }
        case HALT: return 0;
        default: return -2;
        }
    }
    return -3;
}
static void execute(const char *name, const int *code) {
    struct machine m;
    memset(&m, 0, sizeof m);
    int r = run(&m, code, 20000);
    printf("| %s: result %d, %lu steps, stack %d\n", name, r, m.executed, m.sp);
}
int main(void) {
    static const int primes[] = {PUSH, 2, STORE, 0, /*4*/ PUSH, 2, STORE, 1,
                                 /*8*/ LOAD, 1, LOAD, 1, MUL, LOAD, 0, SWAP, LESS, JUMP_IF, 39,
                                 /*19*/ LOAD, 0, LOAD, 1, MOD, NOT, JUMP_IF, 42,
                                 /*27*/ LOAD, 1, PUSH, 1, ADD, STORE, 1, JUMP, 8, HALT, HALT, HALT,
                                 /*39*/ LOAD, 0, PRINT,
                                 /*42*/ LOAD, 0, PUSH, 1, ADD, DUP, STORE, 0, PUSH, 60, LESS, JUMP_IF, 4, HALT};
    static const int factorial[] = {PUSH, 12, CALL, 6, PRINT, HALT,
                                    /*6*/ DUP, JUMP_IF, 13, POP, PUSH, 1, RETURN,
                                    /*13*/ DUP, PUSH, 1, SUB, CALL, 6, MUL, RETURN};
    static const int collatz[] = {PUSH, 27, STORE, 0, PUSH, 0, STORE, 1,
                                  /*8*/ LOAD, 0, PUSH, 1, EQUAL, JUMP_IF, 45,
                                  /*15*/ LOAD, 1, PUSH, 1, ADD, STORE, 1, LOAD, 0, PUSH, 2, MOD, JUMP_IF, 38,
                                  /*29*/ LOAD, 0, PUSH, 2, DIV, STORE, 0, JUMP, 8,
                                  /*38*/ LOAD, 0, PUSH, 3, MUL, JUMP, 48, /*45*/ LOAD, 1, /*47*/ HALT, /*48*/ PUSH, 1, ADD, STORE, 0, JUMP, 8};
    static const int broken[] = {PUSH, 1, PUSH, 0, DIV, HALT}, endless[] = {JUMP, 0}, unknown[] = {99};
    execute("primes", primes);
    execute("factorial", factorial);
    execute("collatz", collatz);
    execute("broken", broken);
    execute("endless", endless);
    execute("unknown", unknown);
    return 0;
}
