//! Stage 2: from real mode to a running kernel in long mode.
//
//   real mode   64-bit processor? -> A20 -> memory map (E820)
//   32 bit      FLUD header -> kernel file to 16 MiB -> CRC-32 -> ELF segments to their places
//               -> RSDP -> hvm_start_info -> page tables -> long mode -> e_entry
//
// The 32-bit part calls back into real mode for each piece of the disk and for messages. Everything that comes from the
// disk is checked before it is used; each failure has a message of its own, on the screen and on COM1.
//
// Memory:
//
//   0x00600            hvm_start_info (formats::boot has its layout)
//   0x00800 .. 0x01400 memory map, up to 128 entries of 24 bytes
//   0x01800 .. 0x01C00 table of the CRC
//   .......  .. 0x07C00 stack
//   0x08000 .. 0x0FE00 this code
//   0x10000 .. 0x16000 page tables: PML4, PDPT, four page directories of 2 MiB pages
//   0x20000 .. 0x28000 one piece of the disk
//   0x100000 ..        the kernel's segments
//   0x1000000 ..       the kernel's file, up to 4 MiB
//
// What the kernel finds: ARCHITECTURE.md, "From the boot loader to the kernel".
// Sources: Intel SDM volume 3, 10.8.5 (entering IA-32e mode); ACPI 6.5, 15.1 (E820) and 5.2.5.1 (RSDP);
// Enhanced Disk Drive Specification 3.0 (INT 13h); Xen start_info.h.

.intel_syntax noprefix

.set STACK, 0x7C00
.set START_INFO, 0x0600
.set MAP, 0x0800
.set MAP_LIMIT, 128
.set CRC_TABLE, 0x1800
.set PML4, 0x10000
.set PDPT, 0x11000
.set DIRECTORIES, 0x12000
.set PIECE, 0x20000
.set PIECE_SECTORS, 64
.set FILE, 0x1000000

.set HEADER_LBA, 64                  // formats::flud
.set FLUD_MAGIC, 0x44554C46
.set FLUD_VERSION, 1
.set MAX_KERNEL_BYTES, (8192 - 65) * 512
.set START_INFO_MAGIC, 0x336EC578

.set DEBUG_EXIT_PORT, 0xF4
.set EXIT_BOOT_LOADER, 0x15          // formats::exit
.set COM1, 0x3F8

.set CODE32, 0x08
.set DATA32, 0x10
.set CODE16, 0x18
.set DATA16, 0x20
.set CODE64, 0x28

// fail MESSAGE in 32-bit code.
.macro fail32 message
    mov esi, offset \message
    jmp stop32
.endm

.section .text
.globl _start
.code16
_start:
    jmp short start
    .org _start + 4
    .ascii "BFS2"                    // stage 1 looks for it

start:
    cli
    cld
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, STACK
    sti
    mov byte ptr [drive], dl
    call check_processor
    call enable_a20
    call read_memory_map
    call to_protected
.code32
    jmp main32

// ---------------------------------------------------------------- real mode
.code16

// 115200 baud, 8N1, FIFOs on, no interrupts. What was typed already is lost: only for the last words.
serial_init:
    mov si, offset serial_settings
    mov cx, 7
1:  lodsw
    movzx dx, al
    add dx, COM1
    mov al, ah
    out dx, al
    loop 1b
    ret
serial_settings:                     // register, value
    .byte 1, 0, 3, 0x80, 0, 1, 1, 0, 3, 3, 2, 0xC7, 4, 3

// Prints the text at si on the screen and on COM1, tells QEMU, and stops.
stop16:
    push si
    call serial_init
    mov si, offset prefix
    call print
    pop si
    call print
    mov si, offset line_end
    call print
    mov dx, DEBUG_EXIT_PORT
    mov eax, EXIT_BOOT_LOADER
    out dx, eax
1:  cli
    hlt
    jmp 1b

print:
    lodsb
    test al, al
    jz 3f
    push ax
    mov ah, 0x0E
    mov bx, 7
    int 0x10
    mov cx, 0xFFFF                   // a COM1 that is not there must not hang us
    mov dx, COM1 + 5
1:  in al, dx
    test al, 0x20
    loopz 1b
    pop ax
    mov dx, COM1
    out dx, al
    jmp print
3:  ret

check_processor:
    mov si, offset no_long_mode
    pushfd                           // CPUID is there if bit 21 of the flags can be changed
    pop eax
    mov ecx, eax
    xor eax, 1 << 21
    push eax
    popfd
    pushfd
    pop eax
    xor eax, ecx
    test eax, 1 << 21
    jz stop16
    mov eax, 0x80000000
    cpuid
    cmp eax, 0x80000001
    jb stop16
    mov eax, 0x80000001
    cpuid
    test edx, 1 << 29                // long mode
    jz stop16
    ret

// Zero flag clear if addresses beyond 1 MiB do not wrap around.
a20_test:
    push ds
    mov ax, 0xFFFF
    mov ds, ax                       // FFFF:0510 is 0x100500, which wraps to 0x500
    mov cx, 200                      // the line may take a moment
1:  mov byte ptr es:[0x500], 0
    mov byte ptr [0x510], 0xFF
    out 0x80, al
    cmp byte ptr es:[0x500], 0xFF
    jne 2f
    loop 1b
    xor ax, ax                       // zero flag set
    pop ds
    ret
2:  or ax, 1
    pop ds
    ret

enable_a20:
    call a20_test
    jnz 9f
    mov ax, 0x2401                   // by the BIOS
    int 0x15
    call a20_test
    jnz 9f
    cli                              // by the keyboard controller
    call keyboard_ready
    mov al, 0xD1                     // write the output port
    out 0x64, al
    call keyboard_ready
    mov al, 0xDF                     // A20 on, no reset
    out 0x60, al
    call keyboard_ready
    sti
    call a20_test
    jnz 9f
    in al, 0x92                      // by the fast gate
    or al, 2
    and al, 0xFE                     // bit 0 would reset the machine
    out 0x92, al
    call a20_test
    jnz 9f
    mov si, offset no_a20
    jmp stop16
9:  ret

keyboard_ready:
    mov cx, 0xFFFF
1:  in al, 0x64
    test al, 2
    loopnz 1b
    ret

// Fills MAP; the entries of E820 have the layout of those of hvm_start_info.
read_memory_map:
    mov di, MAP
    xor ebx, ebx
1:  mov dword ptr [di + 20], 1       // attributes of old BIOSes: valid
    mov eax, 0xE820
    mov ecx, 24
    mov edx, 0x534D4150              // "SMAP"
    int 0x15
    jc 3f                            // behind the end, for some BIOSes
    cmp eax, 0x534D4150
    jne 3f
    test byte ptr [di + 20], 1       // ACPI 3: entry to be ignored
    jz 2f
    mov eax, [di + 8]
    or eax, [di + 12]
    jz 2f                            // empty
    mov dword ptr [di + 20], 0       // reserved in hvm_start_info
    inc word ptr [map_entries]
    add di, 24
    cmp word ptr [map_entries], MAP_LIMIT
    je 3f
2:  test ebx, ebx
    jnz 1b
3:  mov si, offset no_memory_map
    cmp word ptr [map_entries], 0
    je stop16
    ret

// ---------------------------------------------------------------- between the modes

// Called in real mode, returns in 32-bit mode with flat segments and interrupts off.
to_protected:
    cli
    pop ebx                          // return address; LLVM's calls push 32 bits in real mode too
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    .byte 0xEA                       // far jump
    .word 1f, CODE32
.code32
1:  mov ax, DATA32
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    movzx esp, sp
    jmp ebx

// Called in 32-bit mode, returns in real mode with interrupts on. The stack lies below 64 KiB.
to_real:
    pop ebx
    .byte 0xEA
    .long 1f
    .word CODE16
.code16
1:  mov ax, DATA16
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov eax, cr0
    and al, 0xFE
    mov cr0, eax
    .byte 0xEA
    .word 2f, 0
2:  xor ax, ax
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    sti
    jmp bx

.code32
// Prints the text at esi and stops.
stop32:
    call to_real
.code16
    jmp stop16

.code32
// Reads ecx (at most PIECE_SECTORS) sectors from LBA eax on to PIECE.
read_sectors:
    mov [packet_lba], eax
    mov [sectors_wanted], ecx
    pushad
    call to_real
.code16
    mov di, 3                        // tries
1:  mov ax, word ptr [sectors_wanted]
    mov [packet_count], ax           // the BIOS writes what it has read here
    mov si, offset packet
    mov dl, byte ptr [drive]
    mov ah, 0x42
    push di
    int 0x13
    pop di
    jnc 2f
    xor ah, ah                       // reset the drive
    mov dl, byte ptr [drive]
    push di
    int 0x13
    pop di
    dec di
    jnz 1b
    mov si, offset no_read
    jmp stop16
2:  cld
    call to_protected
.code32
    popad
    ret

// ---------------------------------------------------------------- 32 bit

main32:
    call load_kernel
    call check_crc
    call load_segments
    call find_rsdp

    mov edi, START_INFO
    mov ecx, 56 / 4
    xor eax, eax
    rep stosd
    mov dword ptr [START_INFO + 0], START_INFO_MAGIC
    mov dword ptr [START_INFO + 4], 1            // version
    mov eax, [rsdp]
    mov [START_INFO + 32], eax
    mov dword ptr [START_INFO + 40], MAP
    movzx eax, word ptr [map_entries]
    mov [START_INFO + 48], eax

    // Identity map of the first 4 GiB.
    mov edi, PML4
    mov ecx, (DIRECTORIES - PML4) / 4
    xor eax, eax
    rep stosd
    mov dword ptr [PML4], PDPT + 3               // present, writable
    mov eax, DIRECTORIES + 3
    mov edi, PDPT
1:  mov [edi], eax
    add edi, 8
    add eax, 0x1000
    cmp edi, PDPT + 4 * 8
    jne 1b
    mov edi, DIRECTORIES
    mov eax, 0x83                                // present, writable, 2 MiB
2:  mov [edi], eax
    mov dword ptr [edi + 4], 0
    add edi, 8
    add eax, 0x200000
    jnc 2b                                       // until 4 GiB

    mov eax, cr4
    or eax, 1 << 5                               // PAE
    mov cr4, eax
    mov eax, PML4
    mov cr3, eax
    mov ecx, 0xC0000080                          // EFER
    rdmsr
    or eax, 1 << 8                               // long mode enable
    wrmsr
    mov eax, cr0
    or eax, 1 << 31                              // paging
    mov cr0, eax
    .byte 0xEA
    .long 3f
    .word CODE64
.code64
3:  mov ax, DATA32
    mov ds, ax
    mov es, ax
    mov fs, ax
    mov gs, ax
    mov ss, ax
    mov esp, STACK
    mov edi, FLUD_MAGIC
    mov esi, START_INFO
    mov rax, qword ptr [entry]
    jmp rax

.code32
// Reads the header, and the kernel's file to FILE.
load_kernel:
    mov eax, HEADER_LBA
    mov ecx, 1
    call read_sectors
    cmp dword ptr [PIECE], FLUD_MAGIC
    je 1f
    fail32 bad_magic
1:  cmp dword ptr [PIECE + 4], FLUD_VERSION
    je 2f
    fail32 bad_version
2:  mov eax, [PIECE + 8]
    test eax, eax
    jz 3f
    cmp eax, MAX_KERNEL_BYTES
    jbe 4f
3:  fail32 bad_size
4:  mov [file_bytes], eax
    mov edx, [PIECE + 12]
    mov [file_crc], edx
    lea edx, [eax + FILE + PIECE_SECTORS * 512]  // pieces are read whole
    mov eax, FILE
    call usable
    jnc 5f
    fail32 no_memory
5:  mov eax, HEADER_LBA + 1
    mov edi, FILE
    mov edx, [file_bytes]
    add edx, 511
    shr edx, 9                                   // sectors left
6:  mov ecx, PIECE_SECTORS
    cmp edx, ecx
    jae 7f
    mov ecx, edx
7:  call read_sectors
    add eax, ecx
    sub edx, ecx
    shl ecx, 9 - 2
    mov esi, PIECE
    rep movsd
    test edx, edx
    jnz 6b
    ret

// Carry flag clear if the memory eax..edx lies in one usable region.
usable:
    pushad
    movzx ecx, word ptr [map_entries]
    mov esi, MAP
1:  cmp dword ptr [esi + 16], 1                  // usable
    jne 2f
    cmp dword ptr [esi + 4], 0                   // starts below 4 GiB
    jne 2f
    cmp [esi], eax
    ja 2f
    mov ebx, [esi]                               // end of the region, 64 bit in edi:ebx
    mov edi, [esi + 12]
    add ebx, [esi + 8]
    adc edi, 0
    jnz 3f                                       // beyond 4 GiB
    cmp ebx, edx
    jae 3f
2:  add esi, 24
    loop 1b
    popad
    stc
    ret
3:  popad
    clc
    ret

// CRC-32 of IEEE 802.3: polynomial reflected, start and end inverted.
check_crc:
    mov edi, CRC_TABLE
    xor ecx, ecx
1:  mov eax, ecx
    mov edx, 8
2:  shr eax, 1
    jnc 3f
    xor eax, 0xEDB88320
3:  dec edx
    jnz 2b
    stosd
    inc ecx
    cmp ecx, 256
    jne 1b

    mov esi, FILE
    mov ecx, [file_bytes]
    mov edx, -1
    xor eax, eax
4:  lodsb
    movzx ebx, dl
    xor bl, al
    shr edx, 8
    xor edx, [CRC_TABLE + ebx * 4]
    dec ecx
    jnz 4b
    not edx
    cmp edx, [file_crc]
    je 5f
    fail32 bad_crc
5:  ret

// Copies the segments of the ELF file at FILE to their physical addresses.
//
// Elf64_Ehdr: 0 ident, 16 type, 18 machine, 24 entry, 32 phoff, 54 phentsize, 56 phnum.
// Elf64_Phdr: 0 type, 8 offset, 16 vaddr, 24 paddr, 32 filesz, 40 memsz.
//
// The entry may be a virtual address, as GRUB demands it: what is jumped to is the physical address of the same byte.
// An entry in no segment's virtual addresses must lie in one's physical ones.
load_segments:
    mov ebp, [file_bytes]
    cmp ebp, 64
    jb 8f
    cmp dword ptr [FILE], 0x464C457F             // 7F "ELF"
    jne 8f
    cmp word ptr [FILE + 4], 0x0102              // 64 bit, little endian
    jne 8f
    cmp word ptr [FILE + 16], 2                  // executable at a fixed place
    jne 8f
    cmp word ptr [FILE + 18], 0x3E               // x86-64
    jne 8f
    cmp word ptr [FILE + 54], 56
    jne 8f
    cmp dword ptr [FILE + 36], 0                 // upper half of phoff
    jne 7f
    movzx ecx, word ptr [FILE + 56]
    test ecx, ecx
    jz 7f
    imul eax, ecx, 56
    mov ebx, [FILE + 32]
    cmp ebx, ebp
    ja 7f
    mov edx, ebp
    sub edx, ebx                                 // bytes behind phoff
    cmp eax, edx
    ja 7f
    add ebx, FILE

1:  cmp dword ptr [ebx], 1                       // PT_LOAD
    jne 3f
    mov eax, [ebx + 12]                          // upper halves: all zero
    or eax, [ebx + 28]
    or eax, [ebx + 36]
    or eax, [ebx + 44]
    jnz 6f
    mov edx, [ebx + 40]                          // memsz
    test edx, edx
    jz 3f
    cmp [ebx + 32], edx                          // filesz <= memsz
    ja 6f
    mov eax, ebp                                 // offset + filesz <= size of the file
    sub eax, [ebx + 8]
    jb 6f
    cmp [ebx + 32], eax
    ja 6f
    mov eax, [ebx + 24]                          // paddr
    add edx, eax
    jc 6f
    cmp eax, 0x100000                            // not over this code and the BIOS
    jb 6f
    cmp edx, FILE                                // not over the file
    ja 6f
    call usable
    jc 5f
    push ecx
    mov esi, [ebx + 8]
    add esi, FILE
    mov edi, eax
    mov ecx, [ebx + 32]
    rep movsb
    mov ecx, [ebx + 40]
    sub ecx, [ebx + 32]
    xor eax, eax
    rep stosb
    pop ecx
    mov eax, [FILE + 24]                         // entry - vaddr < memsz ?
    mov edx, [FILE + 28]
    sub eax, [ebx + 16]
    sbb edx, [ebx + 20]
    jnz 2f
    cmp eax, [ebx + 40]
    jb 4f
2:  mov eax, [FILE + 24]                         // entry - paddr < memsz ?
    cmp dword ptr [FILE + 28], 0
    jne 3f
    sub eax, [ebx + 24]
    jb 3f
    cmp eax, [ebx + 40]
    jae 3f
4:  add eax, [ebx + 24]
    mov [entry], eax
3:  add ebx, 56
    dec ecx
    jnz 1b
    cmp dword ptr [entry], 0
    je 9f
    ret

5:  fail32 no_memory
6:  fail32 bad_segment
7:  fail32 bad_headers
8:  fail32 bad_elf
9:  fail32 bad_entry

// Looks for the ACPI root pointer: in the first KiB of the extended BIOS data area, then below 1 MiB.
find_rsdp:
    movzx eax, word ptr [0x40E]
    shl eax, 4
    cmp eax, 0x80000
    jb 1f
    cmp eax, 0x9FC00
    ja 1f
    lea edx, [eax + 1024]
    call scan_rsdp
    jc 2f
1:  mov eax, 0xE0000
    mov edx, 0x100000
    call scan_rsdp
2:  ret

// Looks from eax to edx; carry flag set if found.
scan_rsdp:
    cmp dword ptr [eax], 0x20445352              // "RSD "
    jne 2f
    cmp dword ptr [eax + 4], 0x20525450          // "PTR "
    jne 2f
    mov ecx, 20                                  // bytes 0..20 add up to zero
    xor ebx, ebx
1:  add bl, [eax + ecx - 1]
    loop 1b
    test bl, bl
    jnz 2f
    mov [rsdp], eax
    stc
    ret
2:  add eax, 16
    cmp eax, edx
    jb scan_rsdp
    clc
    ret

// ---------------------------------------------------------------- data

prefix:        .asciz "\r\nBareFlow: "
line_end:      .asciz "\r\n"
no_long_mode:  .asciz "this processor has no 64-bit mode"
no_a20:        .asciz "the A20 line cannot be enabled: memory beyond 1 MiB is out of reach"
no_memory_map: .asciz "the BIOS gives no memory map (E820)"
no_memory:     .asciz "not enough memory for the kernel: at least 32 MiB are needed"
no_read:       .asciz "the disk cannot be read: the kernel is cut off, or the disk is damaged"
bad_magic:     .asciz "no FLUD header at sector 64: there is no kernel on this disk; build the image again"
bad_version:   .asciz "FLUD header: version is not 1; build the image again"
bad_size:      .asciz "FLUD header: impossible size of the kernel; build the image again"
bad_crc:       .asciz "the kernel's checksum (CRC-32) is wrong: the disk is damaged; build the image again"
bad_elf:       .asciz "the kernel is no ELF file for x86-64"
bad_headers:   .asciz "the kernel's program headers lie outside of its file"
bad_entry:     .asciz "the kernel's entry point lies in none of its segments"
bad_segment:   .asciz "a segment of the kernel lies outside of its file or of the memory for kernels"

.balign 8
gdt:
    .quad 0
    .quad 0x00CF9A000000FFFF         // 0x08 code, 32 bit, flat
    .quad 0x00CF92000000FFFF         // 0x10 data, flat
    .quad 0x00009A000000FFFF         // 0x18 code, 16 bit, 64 KiB
    .quad 0x000092000000FFFF         // 0x20 data, 64 KiB
    .quad 0x00209A0000000000         // 0x28 code, 64 bit
gdt_pointer:
    .word . - gdt - 1
    .long gdt

.balign 4
packet:
    .byte 16, 0
packet_count:
    .word 0
    .word 0, PIECE >> 4              // offset, segment
packet_lba:
    .quad 0

.balign 8
entry:          .quad 0
rsdp:           .long 0
file_bytes:     .long 0
file_crc:       .long 0
sectors_wanted: .long 0
map_entries:    .word 0
drive:          .byte 0
