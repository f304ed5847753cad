//! Switches on the `syscall` instruction, which the payload's libc executes in ring 0.

use super::gdt::{CODE, DATA};
use super::trap::syscall_entry_address;
use x86_64::VirtAddr;
use x86_64::registers::model_specific::{Efer, EferFlags, LStar, Msr, SFMask};
use x86_64::registers::rflags::RFlags;

const STAR: u32 = 0xC000_0081;

/// Sets the entry of this CPU. `syscall` loads CS and SS from STAR (47:32 and that plus 8) and stays in ring 0.
pub fn init() {
    const { assert!(DATA == CODE + 8) };
    // SAFETY: the entry is ours, the selectors are those of our GDT; the half for `sysret` is never used.
    unsafe {
        Msr::new(STAR).write(u64::from(CODE) << 32);
        LStar::write(VirtAddr::new(syscall_entry_address()));
        SFMask::write(
            RFlags::INTERRUPT_FLAG
                | RFlags::DIRECTION_FLAG
                | RFlags::TRAP_FLAG
                | RFlags::ALIGNMENT_CHECK
                | RFlags::NESTED_TASK,
        );
        Efer::update(|efer| {
            efer.insert(EferFlags::SYSTEM_CALL_EXTENSIONS | EferFlags::NO_EXECUTE_ENABLE)
        });
    }
}
