//! System calls about threads.

use super::errno::Errno;
use super::{Answer, Args, time};
use crate::cpu::fpu::FpuArea;
use crate::cpu::percpu;
use crate::cpu::trap::Frame;
use crate::memory::{USER_END, user};
use crate::sched::{self, NEVER, Thread, futex};
use alloc::sync::Arc;
use core::sync::atomic::Ordering;
use x86_64::VirtAddr;
use x86_64::registers::model_specific::FsBase;

const CLONE_VM: u64 = 0x100;
const CLONE_THREAD: u64 = 0x1_0000;
const CLONE_SETTLS: u64 = 0x8_0000;
const CLONE_PARENT_SETTID: u64 = 0x10_0000;
const CLONE_CHILD_CLEARTID: u64 = 0x20_0000;
const CLONE_CHILD_SETTID: u64 = 0x100_0000;

/// The running thread. System calls always have one.
pub fn current() -> Result<Arc<Thread>, Errno> {
    percpu::this().thread().ok_or(Errno::SRCH)
}

struct CloneArgs {
    flags: u64,
    stack: u64, // first address behind it; 0: the parent's
    parent_tid: usize,
    child_tid: usize,
    tls: u64,
}

fn start(frame: &Frame, args: &CloneArgs) -> Answer {
    // Threads only: there is one process.
    if args.flags & (CLONE_VM | CLONE_THREAD) != CLONE_VM | CLONE_THREAD {
        return Err(Errno::NOSYS);
    }
    let parent = current()?;
    let mut registers = frame.clone();
    registers.rax = 0;
    if args.stack != 0 {
        registers.rsp = args.stack;
    }
    let fs_base = match args.flags & CLONE_SETTLS {
        0 => parent.fs_base.load(Ordering::Relaxed),
        _ if args.tls as usize >= USER_END => return Err(Errno::PERM),
        _ => args.tls,
    };
    let child = Thread::new(registers, fs_base).ok_or(Errno::AGAIN)?;
    child.with_fpu(FpuArea::save);
    child
        .signal_mask
        .store(parent.signal_mask.load(Ordering::SeqCst), Ordering::SeqCst);
    let tid = child.tid;
    if args.flags & CLONE_PARENT_SETTID != 0 {
        user::write(args.parent_tid, tid)?;
    }
    if args.flags & CLONE_CHILD_SETTID != 0 {
        user::write(args.child_tid, tid)?;
    }
    if args.flags & CLONE_CHILD_CLEARTID != 0 {
        child.clear_tid.store(args.child_tid, Ordering::Relaxed);
    }
    sched::spawn(child);
    Ok(tid as usize)
}

pub fn clone(frame: &Frame, a: &Args) -> Answer {
    start(
        frame,
        &CloneArgs {
            flags: a.0[0],
            stack: a.0[1],
            parent_tid: a.get(2),
            child_tid: a.get(3),
            tls: a.0[4],
        },
    )
}

/// `struct clone_args`: flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, ...
pub fn clone3(frame: &Frame, a: &Args) -> Answer {
    const FIRST_VERSION_BYTES: usize = 64;
    if a.get(1) < FIRST_VERSION_BYTES {
        return Err(Errno::INVAL);
    }
    let [flags, _, child_tid, parent_tid, _, stack, stack_bytes, tls] =
        user::read::<[u64; 8]>(a.get(0))?;
    start(
        frame,
        &CloneArgs {
            flags,
            stack: stack.wrapping_add(stack_bytes),
            parent_tid: parent_tid as usize,
            child_tid: child_tid as usize,
            tls,
        },
    )
}

/// Most entries of a robust list: a list that runs in circles ends.
const ROBUST_LIMIT: usize = 2048;
const FUTEX_TID_MASK: u32 = 0x3FFF_FFFF;
const FUTEX_OWNER_DIED: u32 = 0x4000_0000;

/// Marks the mutexes that a dying thread holds, and wakes who waits for them.
fn release_robust(thread: &Thread) -> Result<(), Errno> {
    let head = thread.robust_list.load(Ordering::Relaxed);
    if head == 0 {
        return Ok(());
    }
    // struct robust_list_head: first entry, offset from an entry to its futex, entry being taken.
    let [first, offset, pending] = user::read::<[usize; 3]>(head)?;
    let release = |entry: usize| -> Result<(), Errno> {
        let at = entry.wrapping_add(offset);
        let word = user::read::<u32>(at)?;
        if word & FUTEX_TID_MASK == thread.tid {
            user::write(at, word & !FUTEX_TID_MASK | FUTEX_OWNER_DIED)?;
            futex::wake(at, futex::ANY, 1);
        }
        Ok(())
    };
    let mut entry = first;
    for _ in 0..ROBUST_LIMIT {
        if entry == head || entry == 0 {
            break;
        }
        let next = user::read::<usize>(entry)?;
        if entry != pending {
            release(entry)?;
        }
        entry = next;
    }
    if pending != 0 {
        release(pending)
    } else {
        Ok(())
    }
}

pub fn exit(code: i32) -> ! {
    if let Ok(thread) = current() {
        // A list or word that is not mapped is the program's own loss.
        let _ = release_robust(&thread);
        let word = thread.clear_tid.load(Ordering::Relaxed);
        if word != 0 && user::write(word, 0u32).is_ok() {
            futex::wake(word, futex::ANY, 1);
        }
    }
    sched::exit_thread(code)
}

pub fn gettid() -> Answer {
    Ok(current()?.tid as usize)
}

pub fn sched_yield() -> Answer {
    sched::yield_now();
    Ok(0)
}

pub fn set_tid_address(at: usize) -> Answer {
    let thread = current()?;
    thread.clear_tid.store(at, Ordering::Relaxed);
    Ok(thread.tid as usize)
}

pub fn set_robust_list(head: usize, bytes: usize) -> Answer {
    if bytes != 24 {
        return Err(Errno::INVAL);
    }
    current()?.robust_list.store(head, Ordering::Relaxed);
    Ok(0)
}

pub fn arch_prctl(a: &Args) -> Answer {
    const SET_GS: i32 = 0x1001;
    const SET_FS: i32 = 0x1002;
    const GET_FS: i32 = 0x1003;
    let thread = current()?;
    match a.int(0) {
        SET_FS if a.get(1) >= USER_END => Err(Errno::PERM),
        SET_FS => {
            thread.fs_base.store(a.0[1], Ordering::Relaxed);
            FsBase::write(VirtAddr::new_truncate(a.0[1]));
            Ok(0)
        }
        GET_FS => user::write(a.get(1), thread.fs_base.load(Ordering::Relaxed)).map(|()| 0),
        SET_GS => Err(Errno::PERM), // GS is the kernel's
        _ => Err(Errno::INVAL),
    }
}

pub fn futex(a: &Args) -> Answer {
    const CLOCK_REALTIME: u32 = 256;
    const PRIVATE: u32 = 128;
    let (at, value) = (a.get(0), a.uint(2));
    let operation = a.uint(1) & !(PRIVATE | CLOCK_REALTIME);
    let clock = i32::from(a.uint(1) & CLOCK_REALTIME == 0);
    let most = |value: usize| (value as u32 as i32).max(0) as usize;
    match operation {
        0 => futex::wait(at, value, futex::ANY, time::timeout_at(a.get(3))?).map(|()| 0),
        1 => Ok(futex::wake(at, futex::ANY, most(a.get(2)))),
        3 => {
            let (woken, moved) =
                futex::requeue(at, a.get(4), most(a.get(2)), most(a.get(3)), None)?;
            Ok(woken + moved)
        }
        4 => {
            let expected = Some(a.uint(5));
            let (woken, moved) =
                futex::requeue(at, a.get(4), most(a.get(2)), most(a.get(3)), expected)?;
            Ok(woken + moved)
        }
        5 => futex::wake_op(at, a.get(4), most(a.get(2)), most(a.get(3)), a.uint(5)),
        9 => {
            let deadline = match a.get(3) {
                0 => NEVER,
                wanted => time::absolute(clock, time::read_timespec(wanted)?)?,
            };
            futex::wait(at, value, a.uint(5), deadline).map(|()| 0)
        }
        10 => Ok(futex::wake(at, a.uint(5), most(a.get(2)))),
        _ => Err(Errno::NOSYS),
    }
}
