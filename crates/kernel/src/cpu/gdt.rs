//! Descriptor tables of one CPU: flat 64-bit segments, a TSS with a stack for every kind of interruption.
//!
//! Code compiled for the Linux target has a red zone: nothing may be pushed below the interrupted stack pointer.
//! Every vector therefore runs on an IST stack. Interrupts are off in every handler, and a handler that interrupted the
//! payload moves to the thread's kernel stack at once, so that one stack per kind is enough.

use crate::memory::PAGE;
use crate::memory::stack::KernelStack;
use alloc::boxed::Box;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, FS, GS, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable, SegmentSelector};
use x86_64::structures::tss::TaskStateSegment;

/// Code selector.
pub const CODE: u16 = 0x08;
/// Data selector.
pub const DATA: u16 = 0x10;

/// IST index (from 0) of exceptions.
pub const IST_EXCEPTION: u16 = 0;
/// IST index of the double fault.
pub const IST_DOUBLE_FAULT: u16 = 1;
/// IST index of NMI.
pub const IST_NMI: u16 = 2;
/// IST index of the machine check.
pub const IST_MACHINE_CHECK: u16 = 3;
/// IST index of interrupts: timer and messages of other CPUs.
pub const IST_INTERRUPT: u16 = 4;
const STACKS: usize = 5;

/// The tables of one CPU.
pub struct Tables {
    gdt: GlobalDescriptorTable,
    tss: TaskStateSegment,
    tss_selector: SegmentSelector,
    _stacks: [KernelStack; STACKS],
}

impl Tables {
    /// Tables with fresh stacks, not yet loaded. The TSS descriptor holds the address of the box.
    pub fn new() -> Box<Self> {
        const { assert!(PAGE == 4096) };
        let stacks = core::array::from_fn(|_| {
            // Boot cannot go on without; the panic says so.
            KernelStack::new().expect("no memory for the interrupt stacks of a CPU")
        });
        let mut tables = Box::new(Self {
            gdt: GlobalDescriptorTable::new(),
            tss: TaskStateSegment::new(),
            tss_selector: SegmentSelector(0),
            _stacks: stacks,
        });
        for index in 0..STACKS {
            let top = VirtAddr::new(tables._stacks[index].top() as u64);
            tables.tss.interrupt_stack_table[index] = top;
        }
        tables.gdt.append(Descriptor::kernel_code_segment());
        tables.gdt.append(Descriptor::kernel_data_segment());
        let tss: *const TaskStateSegment = &raw const tables.tss;
        // SAFETY: the TSS sits in the same box as the descriptor, which is leaked before it is loaded.
        let descriptor = unsafe { Descriptor::tss_segment_unchecked(tss) };
        tables.tss_selector = tables.gdt.append(descriptor);
        tables
    }

    /// Loads the tables on this CPU.
    ///
    /// # Safety
    /// `self` is never dropped or moved again; once per CPU.
    pub unsafe fn load(&'static self) {
        self.gdt.load();
        // SAFETY: the selectors are those of the table just loaded; flat segments change no address.
        unsafe {
            CS::set_reg(SegmentSelector(CODE));
            SS::set_reg(SegmentSelector(DATA));
            for set in [DS::set_reg, ES::set_reg, FS::set_reg, GS::set_reg] {
                set(SegmentSelector(0));
            }
            load_tss(self.tss_selector);
        }
        super::idt::load();
    }
}
