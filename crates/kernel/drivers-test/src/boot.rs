//! Entry by PVH: flat page tables, a stack, and on to Rust.
//!
//! Also the memory functions that compilers call.

core::arch::global_asm!(
    r#"
.section .note.pvh, "a", @note
.long 4, 4, 18
.asciz "Xen"
.long _start

.section .boot, "ax", @progbits
.code32
.globl _start
_start:
    cli
    cld
    mov edi, offset __bss_start
    mov ecx, offset __bss_end
    sub ecx, edi
    xor eax, eax
    rep stosb
    mov [start_info], ebx
    // 512 GiB of 1 GiB pages, at address 0 and in the direct map.
    mov eax, offset directory
    or eax, 3
    mov [page_tables], eax
    mov [page_tables + 256 * 8], eax
    xor ecx, ecx
2:  mov eax, ecx
    shl eax, 30
    or eax, 0x83
    mov [directory + ecx * 8], eax
    mov eax, ecx
    shr eax, 2
    mov [directory + ecx * 8 + 4], eax
    inc ecx
    cmp ecx, 512
    jne 2b
    mov eax, offset page_tables
    mov cr3, eax
    // PAE, SSE.
    mov eax, cr4
    or eax, 0x620
    mov cr4, eax
    // Long mode, NX.
    mov ecx, 0xC0000080
    rdmsr
    or eax, 0x900
    wrmsr
    mov eax, 0x80000003
    mov cr0, eax
    lgdt [descriptors_pointer]
    ljmp 8, offset start64
.code64
start64:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    lea rsp, [stack_top]
    mov edi, [start_info]
    call enter
3:  hlt
    jmp 3b
.align 8
descriptors:
    .quad 0, 0x00AF9A000000FFFF, 0x00CF92000000FFFF
descriptors_pointer:
    .word 23
    .long descriptors
    .long 0

.section .bss
.align 4096
.globl page_tables
page_tables: .skip 4096
directory: .skip 4096
stack: .skip 262144
stack_top:
start_info: .skip 8

.text
.globl memcpy, memmove, memset, memcmp, bcmp, strlen
memmove:
    cmp rdi, rsi
    jbe memcpy
    mov rax, rdi
    mov rcx, rdx
    lea rdi, [rdi + rcx - 1]
    lea rsi, [rsi + rcx - 1]
    std
    rep movsb
    cld
    ret
memcpy:
    mov rax, rdi
    mov rcx, rdx
    rep movsb
    ret
memset:
    mov r8, rdi
    mov eax, esi
    mov rcx, rdx
    rep stosb
    mov rax, r8
    ret
memcmp:
bcmp:
    xor eax, eax
2:  test rdx, rdx
    jz 3f
    movzx eax, byte ptr [rdi]
    movzx ecx, byte ptr [rsi]
    sub eax, ecx
    jnz 3f
    inc rdi
    inc rsi
    dec rdx
    jmp 2b
3:  ret
strlen:
    mov rax, rdi
2:  cmp byte ptr [rax], 0
    je 3f
    inc rax
    jmp 2b
3:  sub rax, rdi
    ret
"#
);

/// `alloc` was compiled for machines with an unwinder; nothing here unwinds.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    panic!("nothing unwinds here")
}

/// See [`_Unwind_Resume`].
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
