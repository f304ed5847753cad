// All calls of the kernel by the gate: no `syscall` instruction, no libc.
// flags: -nostdlib -ffreestanding -mno-red-zone -fno-stack-protector
// exit: 7
// expect: gate: found
// expect: gate: 200000 calls, registers kept
// expect: gate: a thread ran
// expect: gate: unknown call refused

typedef unsigned long word;

enum { AT_BAREFLOW_GATE = 0xBF00, NR_WRITE = 1, NR_MMAP = 9, NR_CLONE = 56, NR_EXIT = 60, NR_GETTID = 186,
       NR_CLOCK_GETTIME = 228, NR_FUTEX = 202, NR_EXIT_GROUP = 231 };

static word gate;

static word call6(word number, word a, word b, word c, word d, word e, word f) {
    register word r10 __asm__("r10") = d;
    register word r8 __asm__("r8") = e;
    register word r9 __asm__("r9") = f;
    __asm__ volatile("call *%[gate]"
                     : "+a"(number)
                     : [gate] "m"(gate), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return number;
}

static void say(const char *text) {
    word n = 0;
    while (text[n]) n++;
    call6(NR_WRITE, 1, (word)text, n, 0, 0, 0);
}

static void fail(const char *text) {
    say("FAILED: ");
    say(text);
    say("\n");
    call6(NR_EXIT_GROUP, 1, 0, 0, 0, 0, 0);
}

// Calls with every preserved register filled; a timer interrupt may come at any instruction of it, also in the gate.
static word registers_kept(word seed) {
    word bad;
    __asm__ volatile("push %%rbp\n"
                     "mov %[seed], %%rbx\n"
                     "lea 1(%%rbx), %%rbp\n"
                     "lea 2(%%rbx), %%r12\n"
                     "lea 3(%%rbx), %%r13\n"
                     "lea 4(%%rbx), %%r14\n"
                     "lea 5(%%rbx), %%r15\n"
                     "movq %%rbx, %%xmm15\n"
                     "mov %%rsp, %%r8\n"
                     "mov $186, %%eax\n"
                     "stc\n"
                     "call *%[gate]\n"
                     "setnc %%al\n"
                     "movzbl %%al, %%eax\n"
                     "sub %%rsp, %%r8\n"
                     "or %%r8, %%rax\n"
                     "movq %%xmm15, %%r8\n"
                     "sub %%rbx, %%r8\n"
                     "or %%r8, %%rax\n"
                     "sub %%rbx, %%rbp\n dec %%rbp\n or %%rbp, %%rax\n"
                     "sub %%rbx, %%r12\n sub $2, %%r12\n or %%r12, %%rax\n"
                     "sub %%rbx, %%r13\n sub $3, %%r13\n or %%r13, %%rax\n"
                     "sub %%rbx, %%r14\n sub $4, %%r14\n or %%r14, %%rax\n"
                     "sub %%rbx, %%r15\n sub $5, %%r15\n or %%r15, %%rax\n"
                     "pop %%rbp\n"
                     : "=&a"(bad)
                     : [seed] "r"(seed), [gate] "m"(gate)
                     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm15",
                       "cc", "memory");
    return bad;
}

static volatile int child_ran;

static void child(void) {
    child_ran = 1;
    call6(NR_FUTEX, (word)&child_ran, 1, 1, 0, 0, 0);
    call6(NR_EXIT, 0, 0, 0, 0, 0, 0);
}

// The new thread returns through the word at the top of its stack, as behind `syscall; ret`.
static void start_thread(word stack) {
    word *top = (word *)stack - 2;
    *top = (word)child;
    const word flags = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000;
    if ((long)call6(NR_CLONE, flags, (word)top, 0, 0, 0, 0) <= 0) fail("clone");
}

__attribute__((used)) static void run(word *stack) {
    word *p = stack + 1 + stack[0] + 1;
    while (*p++) {
    }
    for (; p[0]; p += 2)
        if (p[0] == AT_BAREFLOW_GATE) gate = p[1];
    if (!gate) __asm__ volatile("ud2");
    say("gate: found\n");
    word bad = 0;
    for (word i = 0; i < 200000; i++) bad |= registers_kept(i * 0x9E3779B97F4A7C15);
    if (bad) fail("a register was lost");
    say("gate: 200000 calls, registers kept\n");
    word area = call6(NR_MMAP, 0, 65536, 3, 0x22, (word)-1, 0);
    if ((long)area < 0) fail("mmap");
    start_thread(area + 65536);
    while (!child_ran) call6(NR_FUTEX, (word)&child_ran, 0, 0, 0, 0, 0);
    say("gate: a thread ran\n");
    if (call6(0xBFFF, 0, 0, 0, 0, 0, 0) != (word)-38) fail("an unknown call was not refused");
    say("gate: unknown call refused\n");
    call6(NR_EXIT_GROUP, 7, 0, 0, 0, 0, 0);
}

__asm__(".globl _start\n_start:\n  xor %ebp, %ebp\n  mov %rsp, %rdi\n  and $-16, %rsp\n  call run\n  ud2\n");
