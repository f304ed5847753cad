//! Runs the unit tests that stand in the kernel's driver modules, on the host.
//!
//! The kernel itself cannot be linked into a test. Its drivers are taken by path instead, as the test kernel does,
//! over memory whose physical addresses are the process's own.

// Most of the drivers is not called here: there are no devices.
#![allow(dead_code)]

extern crate alloc;

#[path = "../../src/drivers/mod.rs"]
mod drivers;

/// The kernel's locks.
mod sync {
    /// Waiting answers nobody.
    pub struct Answer;

    impl spin::relax::RelaxStrategy for Answer {
        fn relax() {
            std::thread::yield_now();
        }
    }

    /// A spin lock.
    pub type Mutex<T> = spin::mutex::SpinMutex<T, Answer>;
}

/// The kernel's memory: pages that a test maps, all others at their own address.
mod memory {
    pub const DIRECT_MAP: usize = 0xFFFF_8000_0000_0000;
    pub const PAGE: usize = 4096;

    pub fn phys_to_virt(phys: u64) -> *mut u8 {
        phys as *mut u8
    }

    pub mod fake {
        use std::collections::BTreeMap;
        use std::sync::Mutex;

        /// Addresses that tests map, and nothing else is mapped there.
        pub const MAPPED: std::ops::Range<usize> = 0x10_0000_0000..0x20_0000_0000;
        pub static PAGES: Mutex<BTreeMap<usize, (u64, u64)>> = Mutex::new(BTreeMap::new());

        pub fn map(virt: usize, phys: u64) {
            PAGES.lock().expect("whole").insert(virt, (phys, 3));
        }

        pub fn map_read_only(virt: usize, phys: u64) {
            PAGES.lock().expect("whole").insert(virt, (phys, 1));
        }
    }

    pub mod paging {
        use super::{PAGE, fake};

        bitflags::bitflags! {
            #[derive(Clone, Copy, Debug)]
            pub struct Flags: u64 {
                const HUGE = 1 << 7;
                const _ = !0;
            }
        }

        pub struct Leaf {
            pub phys: u64,
            pub flags: Flags,
        }

        pub fn translate(virt: usize) -> Option<Leaf> {
            let offset = virt % PAGE;
            let (page, bits) = if fake::MAPPED.contains(&virt) {
                *fake::PAGES.lock().expect("whole").get(&(virt - offset))?
            } else {
                ((virt - offset) as u64, 3)
            };
            Some(Leaf {
                phys: page + offset as u64,
                flags: Flags::from_bits_retain(bits),
            })
        }
    }

    pub mod dma {
        use super::PAGE;
        use std::alloc::{Layout, alloc_zeroed};
        use std::ptr::NonNull;

        pub fn alloc_dma(pages: usize) -> Option<(u64, NonNull<u8>)> {
            let layout = Layout::from_size_align(pages * PAGE, PAGE).ok()?;
            // SAFETY: the size is not zero.
            let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
            Some((memory.as_ptr() as u64, memory))
        }

        /// # Safety
        /// None is needed: nothing is given back.
        pub unsafe fn free_dma(_: u64, _: usize) {}

        pub fn virt_to_phys(virt: usize) -> Option<u64> {
            Some(virt as u64)
        }

        pub fn map_mmio(phys: u64, _: usize) -> NonNull<u8> {
            NonNull::new(phys as *mut u8).expect("no registers at zero")
        }
    }
}

/// The kernel's macro of this name.
#[macro_export]
macro_rules! info { ($($arg:tt)*) => { println!($($arg)*) }; }
/// The kernel's macro of this name.
#[macro_export]
macro_rules! debug { ($($arg:tt)*) => { println!($($arg)*) }; }
/// The kernel's macro of this name.
#[macro_export]
macro_rules! error { ($($arg:tt)*) => { println!($($arg)*) }; }
