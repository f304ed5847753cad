/* The KVM probe: AVX in ring 0 and a timing loop, then isa-debug-exit. See accel.rs.
 *
 * Booted by PVH: 32-bit protected mode, flat segments, paging off, interrupts off. AVX works in this mode
 * once CR4.OSXSAVE and XCR0 allow it. A processor without AVX skips that part. */
    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18          /* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long start

    .text
    .code32
    .globl start
start:
    mov $1, %eax
    cpuid
    and $0x14000000, %ecx   /* XSAVE (26) and AVX (28) */
    cmp $0x14000000, %ecx
    jne loop
    mov %cr0, %eax
    and $~0xC, %eax         /* no emulation of the FPU, no task switch trap */
    or $2, %eax
    mov %eax, %cr0
    mov %cr4, %eax
    or $0x40600, %eax       /* OSFXSR, OSXMMEXCPT, OSXSAVE */
    mov %eax, %cr4
    xor %ecx, %ecx
    xgetbv
    or $7, %eax             /* x87, SSE, AVX */
    xsetbv
    vaddps %ymm0, %ymm1, %ymm2
loop:
    mov $100000000, %ecx
1:  dec %ecx
    jnz 1b
    mov $0x2A, %eax         /* PROBE_OK in accel.rs */
    mov $0xF4, %dx
    outl %eax, %dx
2:  hlt
    jmp 2b
