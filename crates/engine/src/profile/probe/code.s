// Probes: the code between a caller and a measured function. The concept is in probe.rs.
//
// No instruction here touches a vector, mask or x87 register, and every general register but r11 is put back: whatever
// carries arguments or results, in any calling convention, arrives as it left.
//
// A thread's block of thread-local storage:
//      0  64 sets of 4 entries of 32 bytes: sp (0: free), return address, record, start
//   8192  skew: cycles that probes have cost this thread
//   8200  calls that could not be measured for want of a free entry
// Record: code to go on to, where to count. Counts: samples, total, min, max.

        .section .tbss.bareflow_probe, "awT", @nobits
        .p2align 6
        .type   bareflow_probe_tls, @object
bareflow_probe_tls:
        .zero   8208
        .size   bareflow_probe_tls, 8208

        .section .text.bareflow_probe, "ax", @progbits

// rdi = the set for the stack address in rcx. Changes rax.
        .macro  bareflow_probe_set
        mov     eax, ecx
        shr     eax, 4
        imul    eax, eax, -1640531535           // 2^32 / golden ratio
        shr     eax, 26
        shl     eax, 7
        mov     rdi, qword ptr [rip + bareflow_probe_tls@GOTTPOFF]
        add     rdi, qword ptr fs:[0]
        add     rdi, rax
        .endm

// Goes to `there` with rdi = the entry whose sp is `what`; falls through with rdi = the set.
        .macro  bareflow_probe_find what, there
        cmp     qword ptr [rdi], \what
        je      \there
        add     rdi, 32
        cmp     qword ptr [rdi], \what
        je      \there
        add     rdi, 32
        cmp     qword ptr [rdi], \what
        je      \there
        add     rdi, 32
        cmp     qword ptr [rdi], \what
        je      \there
        sub     rdi, 96
        .endm

// Counts rsi cycles at [rcx]. Changes rax.
        .macro  bareflow_probe_count
        lock inc qword ptr [rcx]
        lock add qword ptr [rcx + 8], rsi
        mov     rax, qword ptr [rcx + 16]
71:     cmp     rsi, rax
        jae     72f
        lock cmpxchg qword ptr [rcx + 16], rsi
        jne     71b
72:     mov     rax, qword ptr [rcx + 24]
73:     cmp     rsi, rax
        jbe     74f
        lock cmpxchg qword ptr [rcx + 24], rsi
        jne     73b
74:
        .endm

// rsi = the cycles since the start in entry rdi, when it is rsi now. rcx = the skew's offset from fs.
        .macro  bareflow_probe_elapsed
        mov     rcx, qword ptr [rip + bareflow_probe_tls@GOTTPOFF]
        sub     rsi, qword ptr fs:[rcx + 8192]
        sub     rsi, qword ptr [rdi + 24]
        sub     rsi, qword ptr [rip + {inner}]
        jns     75f
        xor     esi, esi                        // faster than calibrated
75:
        .endm

// The clock in rax. Changes rdx.
        .macro  bareflow_probe_clock
        rdtsc
        shl     rdx, 32
        or      rax, rdx
        .endm

// r11 = record, [rsp] = return address, everything else the caller's.
        .globl  bareflow_probe_enter
        .hidden bareflow_probe_enter
        .type   bareflow_probe_enter, @function
        .p2align 4
bareflow_probe_enter:
        push    rax
        push    rcx
        push    rdx
        push    rdi
        lea     rcx, [rsp + 32]
        lea     rdx, [rip + bareflow_probe_return]
        bareflow_probe_set
        cmp     qword ptr [rcx], rdx
        je      .Lbareflow_probe_tail
        bareflow_probe_find rcx, .Lbareflow_probe_claim         // left behind at this very place: dead
        bareflow_probe_find 0, .Lbareflow_probe_claim
        jmp     .Lbareflow_probe_full
.Lbareflow_probe_claim:
        // In this order: an entry is never seen whose place on the stack does not hold our address.
        mov     rax, qword ptr [rcx]
        mov     qword ptr [rcx], rdx
        mov     qword ptr [rdi], rcx
        mov     qword ptr [rdi + 8], rax
.Lbareflow_probe_start:
        mov     qword ptr [rdi + 16], r11
        mov     rcx, qword ptr [rip + bareflow_probe_tls@GOTTPOFF]
        bareflow_probe_clock
        sub     rax, qword ptr fs:[rcx + 8192]
        mov     qword ptr [rdi + 24], rax
.Lbareflow_probe_on:
        pop     rdi
        pop     rdx
        pop     rcx
        pop     rax
        jmp     qword ptr [r11]

// A measured function ended by jumping to this one: its time ends, ours begins, the return address is hidden already.
.Lbareflow_probe_tail:
        bareflow_probe_find rcx, .Lbareflow_probe_next
        jmp     .Lbareflow_probe_on
.Lbareflow_probe_next:
        push    rsi
        bareflow_probe_clock
        mov     rsi, rax
        bareflow_probe_elapsed
        mov     rcx, qword ptr [rdi + 16]
        mov     rcx, qword ptr [rcx + 8]
        bareflow_probe_count
        pop     rsi
        jmp     .Lbareflow_probe_start

// The set is full. An entry is dead for certain when its place, lower on this stack, no longer holds our address.
.Lbareflow_probe_full:
        .rept   4
        mov     rax, rcx
        sub     rax, qword ptr [rdi]
        jbe     76f
        cmp     rax, 65536
        ja      76f
        mov     rax, qword ptr [rdi]
        cmp     qword ptr [rax], rdx
        jne     .Lbareflow_probe_claim
76:     add     rdi, 32
        .endr
        mov     rdi, qword ptr [rip + bareflow_probe_tls@GOTTPOFF]
        inc     qword ptr fs:[rdi + 8200]
        jmp     .Lbareflow_probe_on
        .size   bareflow_probe_enter, . - bareflow_probe_enter

// The measured function returned: rsp is one above the place of its return address.
        .globl  bareflow_probe_return
        .hidden bareflow_probe_return
        .type   bareflow_probe_return, @function
        .p2align 4
bareflow_probe_return:
        lea     rsp, [rsp - 8]                  // the place keeps our address until its entry is free
        push    rax
        push    rdx
        push    rcx
        push    rdi
        push    rsi
        bareflow_probe_clock
        mov     rsi, rax
        lea     rcx, [rsp + 40]
        bareflow_probe_set
        bareflow_probe_find rcx, .Lbareflow_probe_found
        ud2                                     // returned twice: such functions must not be probed
.Lbareflow_probe_found:
        bareflow_probe_elapsed
        mov     rax, qword ptr [rip + {full}]
        add     qword ptr fs:[rcx + 8192], rax
        mov     r11, qword ptr [rdi + 8]
        mov     rcx, qword ptr [rdi + 16]
        mov     qword ptr [rdi], 0
        mov     rcx, qword ptr [rcx + 8]
        bareflow_probe_count
        pop     rsi
        pop     rdi
        pop     rcx
        pop     rdx
        pop     rax
        lea     rsp, [rsp + 8]
        jmp     r11
        .size   bareflow_probe_return, . - bareflow_probe_return

// (record in rdi): a probed call without code of its own, to calibrate; and the empty function it measures.
        .globl  bareflow_probe_calibrate
        .hidden bareflow_probe_calibrate
        .type   bareflow_probe_calibrate, @function
        .p2align 4
bareflow_probe_calibrate:
        mov     r11, rdi
        jmp     bareflow_probe_enter
        .size   bareflow_probe_calibrate, . - bareflow_probe_calibrate

        .globl  bareflow_probe_nothing
        .hidden bareflow_probe_nothing
        .type   bareflow_probe_nothing, @function
        .p2align 4
bareflow_probe_nothing:
        ret
        .size   bareflow_probe_nothing, . - bareflow_probe_nothing

// The calling thread's block, in rax.
        .globl  bareflow_probe_block
        .hidden bareflow_probe_block
        .type   bareflow_probe_block, @function
        .p2align 4
bareflow_probe_block:
        mov     rax, qword ptr [rip + bareflow_probe_tls@GOTTPOFF]
        add     rax, qword ptr fs:[0]
        ret
        .size   bareflow_probe_block, . - bareflow_probe_block

        .text
