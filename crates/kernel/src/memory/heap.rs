//! The kernel's heap: talc over contiguous frames of the direct map, growing by what is asked for.

use super::{PAGE, frames, phys_to_virt};
use core::alloc::Layout;
use talc::TalcLock;
use talc::base::{Talc, binning::Binning};
use talc::source::Source;

const GROW: usize = 512 << 10;

#[derive(Debug)]
struct FrameSource;

// SAFETY: `acquire` only takes frames, which allocates nothing from the heap, and claims what it got.
unsafe impl Source for FrameSource {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        // Room for the allocator's own tags and for the alignment asked for.
        let bytes = (layout.size() + layout.align() + PAGE)
            .next_multiple_of(PAGE)
            .max(GROW);
        let (bytes, phys) = frames::alloc_contiguous(bytes / PAGE)
            .map(|phys| (bytes, phys))
            .ok_or(())?;
        // SAFETY: the frames are ours, contiguous in the direct map, and never given back.
        unsafe { talc.claim(phys_to_virt(phys), bytes) }
            .map(|_| ())
            .ok_or(())
    }
}

#[global_allocator]
static HEAP: TalcLock<spin::mutex::SpinMutex<(), crate::sync::Answer>, FrameSource> =
    TalcLock::new(FrameSource);
