// A register machine whose instructions are called through a table of functions.
#include <stdint.h>
#include <stdio.h>

struct cpu;
typedef void instruction(struct cpu *, uint32_t);
struct cpu {
    int64_t r[16];
    uint32_t pc;
    int running;
    const uint32_t *code;
    uint8_t memory[256];
    unsigned long steps;
};
#define OP(w) ((w) >> 24)
#define A(w) ((w) >> 20 & 15)
#define B(w) ((w) >> 16 & 15)
#define IMM(w) ((int16_t)(w))
#define I(op, a, b, imm) ((uint32_t)(op) << 24 | (uint32_t)(a) << 20 | (uint32_t)(b) << 16 | ((uint32_t)(imm)&0xFFFF))

static void halt(struct cpu *c, uint32_t w) { (void)w, c->running = 0; }
static void li(struct cpu *c, uint32_t w) { c->r[A(w)] = IMM(w); }
static void add(struct cpu *c, uint32_t w) { c->r[A(w)] += c->r[B(w)]; }
static void addi(struct cpu *c, uint32_t w) { c->r[A(w)] = c->r[B(w)] + IMM(w); }
static void mul(struct cpu *c, uint32_t w) { c->r[A(w)] = (int64_t)((uint64_t)c->r[A(w)] * (uint64_t)c->r[B(w)]); }
static void xor_(struct cpu *c, uint32_t w) { c->r[A(w)] ^= c->r[B(w)]; }
static void shr(struct cpu *c, uint32_t w) { c->r[A(w)] = (int64_t)((uint64_t)c->r[B(w)] >> (IMM(w) & 63)); }
static void loadb(struct cpu *c, uint32_t w) { c->r[A(w)] = c->memory[(uint8_t)(c->r[B(w)] + IMM(w))]; }
static void storeb(struct cpu *c, uint32_t w) { c->memory[(uint8_t)(c->r[B(w)] + IMM(w))] = (uint8_t)c->r[A(w)]; }
static void bne(struct cpu *c, uint32_t w) {
    if (c->r[A(w)] != c->r[B(w)]) c->pc += (uint32_t)IMM(w);
}
static void blt(struct cpu *c, uint32_t w) {
    if (c->r[A(w)] < c->r[B(w)]) c->pc += (uint32_t)IMM(w);
}
static void jal(struct cpu *c, uint32_t w) {
    c->r[A(w)] = c->pc;
    c->pc = (uint32_t)IMM(w);
}
static void jr(struct cpu *c, uint32_t w) { c->pc = (uint32_t)c->r[A(w)]; }
static void out(struct cpu *c, uint32_t w) { printf("out %lld\n", (long long)c->r[A(w)]); }
enum { HALT, LI, ADD, ADDI, MUL, XOR, SHR, LOADB, STOREB, BNE, BLT, JAL, JR, OUT };
static instruction *const table[] = {halt, li, add, addi, mul, xor_, shr, loadb, storeb, bne, blt, jal, jr, out};

static const uint32_t program[] = {
    I(JAL, 15, 0, 9),   /* 0: fill */
    I(JAL, 15, 0, 16),  /* 1: hash */
    I(OUT, 3, 0, 0),    I(LI, 1, 0, 1),   I(LI, 2, 0, 0),  I(LI, 4, 0, 1000),
    I(ADD, 2, 1, 0),    /* 6 */
    I(ADDI, 1, 1, 1),   I(JAL, 14, 0, 24),
    I(LI, 1, 0, 0),     /* 9: fill memory with a recurrence */
    I(LI, 2, 0, 7),     I(LI, 5, 0, 255),
    I(STOREB, 2, 1, 0), /* 12 */
    I(MUL, 2, 2, 0),    I(ADDI, 1, 1, 1), I(BLT, 1, 5, -4), /* 15, falls into 16 when called directly */
    I(LI, 1, 0, 0),     /* 16: hash of memory */
    I(LI, 3, 0, 0),     I(LI, 6, 0, 31),
    I(LOADB, 7, 1, 0),  /* 19 */
    I(MUL, 3, 6, 0),    I(ADD, 3, 7, 0),  I(ADDI, 1, 1, 1), I(JR, 15, 0, 0),
    I(BLT, 1, 4, -19),  /* 24: back to 6 */
    I(OUT, 2, 0, 0),    I(SHR, 8, 3, 3),  I(XOR, 8, 2, 0), I(OUT, 8, 0, 0), I(HALT, 0, 0, 0),
};
int main(void) {
    static struct cpu c;
    c.code = program;
    c.running = 1;
    while (c.running && c.steps < 30000) {
        uint32_t w = c.code[c.pc++];
        table[OP(w)](&c, w);
        c.steps++;
    }
    unsigned h = 0;
    for (int i = 0; i < 256; i++) h = h * 33 + c.memory[i];
    printf("%lu steps, pc %u, memory %08x\n", c.steps, c.pc, h);
    for (int i = 0; i < 16; i++) printf("%lld%c", (long long)c.r[i], i == 15 ? '\n' : ' ');
    return 0;
}
