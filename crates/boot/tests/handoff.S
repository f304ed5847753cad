//! A kernel that only says what it was given, for the tests of stage 2.
//
// Prints "name value" lines in hexadecimal on COM1 and ends QEMU with code 129 (formats::exit: program exit code 0).

.intel_syntax noprefix
.code64

.set COM1, 0x3F8
.set ZEROES, 300000

.section .text
.globl _start
_start:
    mov r15, rsi
    mov r14, rdi
    pushfq
    pop r13
    lea rsp, [rip + stack_top]

    lea rsi, [rip + title]
    call puts
    lea rsi, [rip + name_rdi]
    mov rax, r14
    call line
    lea rsi, [rip + name_flags]
    mov rax, r13
    call line
    lea rsi, [rip + name_magic]
    mov eax, [r15]
    call line
    lea rsi, [rip + name_version]
    mov eax, [r15 + 4]
    call line
    lea rsi, [rip + name_rsdp]
    mov rax, [r15 + 32]
    call line
    mov rbx, [r15 + 32]
    test rbx, rbx
    jz 1f
    lea rsi, [rip + name_signature]
    mov rax, [rbx]
    call line
1:  mov r12, [r15 + 40]              // memory map
    mov ebx, [r15 + 48]
2:  test ebx, ebx
    jz 3f
    lea rsi, [rip + name_base]
    mov rax, [r12]
    call line
    lea rsi, [rip + name_size]
    mov rax, [r12 + 8]
    call line
    lea rsi, [rip + name_type]
    mov rax, [r12 + 16]
    call line
    add r12, 24
    dec ebx
    jmp 2b
3:  lea rsi, [rip + name_data]       // file contents arrived
    mov rax, [rip + data_word]
    call line
    lea rdi, [rip + zeroes]          // and what is not in the file is zero
    mov ecx, ZEROES
    xor eax, eax
    repe scasb
    sete al
    movzx eax, al
    lea rsi, [rip + name_zeroes]
    call line
    mov eax, 0xFFFFFFF0              // the map reaches the end of 4 GiB
    mov al, byte ptr [rax]
    movzx eax, al
    lea rsi, [rip + name_top]
    call line
    lea rsi, [rip + done]
    call puts
    mov dx, 0xF4
    mov eax, 0x40
    out dx, eax
4:  hlt
    jmp 4b

// Prints the text at rsi, the number rax and a line end.
line:
    push rax
    call puts
    pop rdx
    mov ecx, 16
1:  rol rdx, 4
    mov eax, edx
    and eax, 15
    add al, '0'
    cmp al, '9'
    jbe 2f
    add al, 'a' - '9' - 1
2:  call putc
    loop 1b
    mov al, '\n'
putc:
    push rdx
    push rax
    mov dx, COM1 + 5
1:  in al, dx
    test al, 0x20
    jz 1b
    pop rax
    mov dx, COM1
    out dx, al
    pop rdx
    ret
puts:
    lodsb
    test al, al
    jz 1f
    call putc
    jmp puts
1:  ret

.section .rodata
title:          .asciz "handoff\n"
name_rdi:       .asciz "rdi "
name_flags:     .asciz "flags "
name_magic:     .asciz "magic "
name_version:   .asciz "version "
name_rsdp:      .asciz "rsdp "
name_signature: .asciz "signature "
name_base:      .asciz "base "
name_size:      .asciz "size "
name_type:      .asciz "type "
name_data:      .asciz "data "
name_zeroes:    .asciz "zeroes "
name_top:       .asciz "top "
done:           .asciz "done\n"
// Makes the file as large as a real kernel, so that it takes many pieces of the disk.
filler:         .fill 700000, 1, 0x5A

.section .data
data_word:      .quad 0x1122334455667788

.section .bss
zeroes:         .skip ZEROES
stack:          .skip 4096
stack_top:
