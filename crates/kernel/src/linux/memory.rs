//! System calls about memory: mmap and its kin.

use super::errno::Errno;
use super::{Answer, Args, file};
use crate::memory::space::{self, Access, Place, Prot, Use};
use crate::memory::{PAGE, user};

const MAP_SHARED: u32 = 0x01;
const MAP_FIXED: u32 = 0x10;
const MAP_ANONYMOUS: u32 = 0x20;
const MAP_STACK: u32 = 0x2_0000;
const MAP_FIXED_NOREPLACE: u32 = 0x10_0000;

fn prot(bits: i32) -> Result<Prot, Errno> {
    // PROT_GROWSDOWN and PROT_GROWSUP are not offered.
    u8::try_from(bits)
        .ok()
        .and_then(Prot::from_bits)
        .ok_or(Errno::INVAL)
}

pub fn mmap(a: &Args) -> Answer {
    let (address, bytes, flags) = (a.get(0), a.get(1), a.uint(3));
    let prot = prot(a.int(2))?;
    let place = match flags {
        flags if flags & MAP_FIXED_NOREPLACE != 0 => Place::FixedIfFree(address),
        flags if flags & MAP_FIXED != 0 => Place::Fixed(address),
        _ => Place::Anywhere(address),
    };
    let usage = if flags & MAP_STACK != 0 {
        Use::Stack
    } else {
        Use::Plain
    };
    if flags & MAP_ANONYMOUS != 0 {
        return space::map(place, bytes, prot, usage);
    }
    // A file: its bytes are read now. Writing through to the file is not offered.
    if flags & MAP_SHARED != 0 && prot.contains(Prot::WRITE) {
        return Err(Errno::NODEV);
    }
    let offset = a.0[5];
    if !offset.is_multiple_of(PAGE as u64) {
        return Err(Errno::INVAL);
    }
    let source = file::get(a.int(4))?;
    let start = space::map(place, bytes, Prot::READ | Prot::WRITE, usage)?;
    let filled = source.pread(start, bytes, offset).and_then(|_| {
        let kept = if prot == Prot::READ | Prot::WRITE {
            Ok(())
        } else {
            space::protect(start, bytes, prot)
        };
        kept.map(|()| start)
    });
    if filled.is_err() {
        let _ = space::unmap(start, bytes);
    }
    filled
}

pub fn mprotect(a: &Args) -> Answer {
    space::protect(a.get(0), a.get(1), prot(a.int(2))?).map(|()| 0)
}

pub fn munmap(a: &Args) -> Answer {
    space::unmap(a.get(0), a.get(1)).map(|()| 0)
}

pub fn brk(a: &Args) -> Answer {
    Ok(space::brk(a.get(0)))
}

pub fn mremap(a: &Args) -> Answer {
    const MAYMOVE: u32 = 1;
    const FIXED: u32 = 2;
    let flags = a.uint(3);
    if flags & !(MAYMOVE | FIXED) != 0 {
        return Err(Errno::INVAL);
    }
    let to = (flags & FIXED != 0).then(|| a.get(4));
    space::remap(a.get(0), a.get(1), a.get(2), flags & MAYMOVE != 0, to)
}

pub fn madvise(a: &Args) -> Answer {
    let (start, bytes) = (a.get(0), a.get(1));
    if !start.is_multiple_of(PAGE) {
        return Err(Errno::INVAL);
    }
    match a.int(2) {
        // NORMAL, RANDOM, SEQUENTIAL, WILLNEED, HUGEPAGE, NOHUGEPAGE, DONTDUMP, DODUMP: hints
        0..=3 | 14..=17 => Ok(0),
        // DONTNEED, FREE
        4 | 8 => space::discard(start, bytes).map(|()| 0),
        // POPULATE_READ, POPULATE_WRITE
        22 => user::check(start, bytes, Access::Read).map(|()| 0),
        23 => user::check(start, bytes, Access::Write).map(|()| 0),
        _ => Err(Errno::INVAL),
    }
}

pub fn mincore(a: &Args) -> Answer {
    let (start, bytes) = (a.get(0), a.get(1));
    if !start.is_multiple_of(PAGE) {
        return Err(Errno::INVAL);
    }
    let out = user::bytes_mut(a.get(2), bytes.div_ceil(PAGE))?;
    for (page, present) in out.iter_mut().enumerate() {
        *present = crate::memory::paging::translate(start + page * PAGE)
            .is_some()
            .into();
    }
    Ok(0)
}
