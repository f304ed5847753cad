//! Stage 1: the boot sector. Loads stage 2 from LBA 1 on and jumps to it.
//
// The BIOS puts this sector at 0x7C00 in real mode, with the drive's number in dl. There are 440 bytes for code;
// behind them lie the disk's number (440..446), the partition table (446..510) and the signature.
//
//   0x0600 .. 0x7C00   stack (downwards)
//   0x7C00 .. 0x7E00   this sector
//   0x8000 .. 0xFE00   stage 2, 63 sectors
//
// Disks are read by LBA (INT 13h extensions, "EDD"); every BIOS since about 1998 has them.

.intel_syntax noprefix
.code16

.set STAGE2, 0x8000
.set STAGE2_LBA, 1
.set STAGE2_SECTORS, 63
.set STAGE2_MAGIC, 0x32534642        // "BFS2" at its byte 4
.set DEBUG_EXIT_PORT, 0xF4
.set EXIT_BOOT_LOADER, 0x15          // formats::exit
.set COM1, 0x3F8

.section .text
.globl _start
_start:
    jmp short code
    nop
    // Some BIOSes write a parameter block here when they boot from USB.
    .org _start + 0x3E
code:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7C00
    // Some BIOSes start at 07C0:0000.
    .byte 0xEA
    .word begin, 0
begin:
    sti
    mov byte ptr [drive], dl

    mov ah, 0x41                     // extensions there?
    mov bx, 0x55AA
    int 0x13
    mov si, offset no_lba
    jc fail
    cmp bx, 0xAA55
    jne fail
    test cl, 1                       // extended read
    jz fail

    mov di, 3                        // tries
read:
    mov word ptr [packet_count], STAGE2_SECTORS
    mov si, offset packet
    mov dl, byte ptr [drive]
    mov ah, 0x42
    int 0x13
    jnc loaded
    xor ah, ah                       // reset the drive
    mov dl, byte ptr [drive]
    int 0x13
    dec di
    jnz read
    mov si, offset no_read
    jmp fail

loaded:
    mov si, offset no_stage2
    cmp dword ptr [STAGE2 + 4], STAGE2_MAGIC
    jne fail
    mov dl, byte ptr [drive]
    .byte 0xEA
    .word STAGE2, 0

// Prints the text at si on the screen and on COM1, tells QEMU, and stops.
fail:
    lodsb
    test al, al
    jz stop
    push ax
    mov ah, 0x0E
    mov bx, 7
    int 0x10
    mov cx, 0xFFFF                   // a COM1 that is not there must not hang us
    mov dx, COM1 + 5
wait:
    in al, dx
    test al, 0x20
    loopz wait
    pop ax
    mov dx, COM1
    out dx, al
    jmp fail
stop:
    mov dx, DEBUG_EXIT_PORT
    mov eax, EXIT_BOOT_LOADER
    out dx, eax
halt:
    cli
    hlt
    jmp halt

no_lba:    .asciz "\r\nBareFlow: the BIOS cannot read this disk by LBA; is it a hard disk?\r\n"
no_read:   .asciz "\r\nBareFlow: stage 2 cannot be read from the disk\r\n"
no_stage2: .asciz "\r\nBareFlow: no stage 2 on the disk; build the image again\r\n"

.balign 4
packet:
    .byte 16, 0
packet_count:
    .word STAGE2_SECTORS
    .word STAGE2, 0                  // offset, segment
    .quad STAGE2_LBA

drive: .byte 0

    // Disk number and partition table: the image writer's. An error here means that code and texts are too long.
    .org _start + 440
    .org _start + 510
    .byte 0x55, 0xAA
