//! Scheduler: one ready queue for all CPUs, time slices, sleeping with deadlines.
//!
//! A thread is switched away from only on its own kernel stack. The scheduler's lock is held over the switch and
//! given back by whoever runs next, so nobody can run a thread whose state is not saved yet. The kernel runs with
//! interrupts off; a CPU that finds nothing to do halts in its idle loop.
//!
//! Threads run in turn, 10 ms each; a thread that wakes goes to the end of the queue and wakes an idle CPU.

pub mod futex;
pub mod thread;

pub use thread::Thread;

use crate::cpu::{fpu::FpuArea, idt, lapic, percpu, rdtsc, shootdown, trap};
use crate::sync::{Answer, Mutex};
use crate::{time, trace};
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::arch::global_asm;
use core::sync::atomic::{AtomicBool, Ordering};
use spin::mutex::SpinMutexGuard;
use x86_64::VirtAddr;
use x86_64::instructions::interrupts;
use x86_64::registers::model_specific::FsBase;

/// Length of a time slice in nanoseconds; the console is polled as often.
const SLICE_NS: u64 = 10_000_000;
/// A deadline that never comes, in TSC cycles.
pub const NEVER: u64 = u64::MAX;

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A futex word.
    Futex(usize),
    /// Time, or a signal.
    Nothing,
    /// Console input.
    Input,
    /// Data or room in a pipe.
    Pipe,
}

/// Why a thread runs again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Somebody woke it.
    Woken,
    /// Its deadline passed.
    Timeout,
    /// A signal came.
    Signal,
}

struct Waiter {
    thread: Arc<Thread>,
    key: Key,
    bitset: u32,
    deadline: u64, // TSC cycles
}

/// The state behind the scheduler's lock.
pub struct Sched {
    ready: VecDeque<Arc<Thread>>,
    waiters: Vec<Waiter>,
    threads: Vec<Arc<Thread>>,
}

static SCHED: Mutex<Sched> = Mutex::new(Sched {
    ready: VecDeque::new(),
    waiters: Vec::new(),
    threads: Vec::new(),
});
static PREEMPTION: AtomicBool = AtomicBool::new(false);

/// The scheduler's lock, held.
pub type Guard = SpinMutexGuard<'static, Sched, Answer>;

/// Takes the scheduler's lock.
pub fn lock() -> Guard {
    SCHED.lock()
}

global_asm!(
    ".pushsection .text.switch,\"ax\"",
    ".globl switch_stacks",
    "switch_stacks:", // (rdi: where to save rsp, rsi: rsp to load)
    "  push rbp",
    "  push rbx",
    "  push r12",
    "  push r13",
    "  push r14",
    "  push r15",
    "  mov [rdi], rsp",
    "  mov rsp, rsi",
    "  pop r15",
    "  pop r14",
    "  pop r13",
    "  pop r12",
    "  pop rbx",
    "  pop rbp",
    "  ret",
    ".popsection",
);

unsafe extern "C" {
    fn switch_stacks(save: *mut u64, load: u64);
}

/// Stack pointer of a thread that never ran: below `frame` lie six registers and the start address.
pub(crate) fn prepare_stack(top: usize, frame: trap::Frame) -> u64 {
    let at = top - size_of::<trap::Frame>();
    let words = [0, 0, 0, 0, 0, 0, trap::thread_start_address()];
    let rsp = at - size_of_val(&words);
    // SAFETY: the stack is fresh and ours, larger than the frame, and its top is 16-byte aligned.
    unsafe {
        (at as *mut trap::Frame).write(frame);
        (rsp as *mut [u64; 7]).write(words);
    }
    rsp as u64
}

/// Runs the next ready thread, or the idle loop. The caller has put the running thread where it belongs (ready queue,
/// waiters, nowhere), with the lock held. Returns when that thread is run again.
fn switch(mut sched: Guard) {
    let cpu = percpu::this();
    let previous = cpu.current.take();
    let next = sched.ready.pop_front();
    if let (Some(previous_thread), Some(next_thread)) = (&previous, &next)
        && Arc::ptr_eq(previous_thread, next_thread)
    {
        cpu.current.set(next);
        drop(sched);
        drop(previous);
        return;
    }
    if previous.is_none() && next.is_none() {
        return;
    }
    let save = match &previous {
        Some(thread) => {
            thread.with_fpu(FpuArea::save);
            thread.saved_rsp.as_ptr()
        }
        None => cpu.idle_rsp.as_ptr(),
    };
    let load = match &next {
        Some(thread) => {
            thread.with_fpu(|fpu| fpu.restore());
            FsBase::write(VirtAddr::new_truncate(
                thread.fs_base.load(Ordering::Relaxed),
            ));
            cpu.kernel_stack_top.set(thread.stack_top());
            thread.saved_rsp.get()
        }
        None => cpu.idle_rsp.get(),
    };
    let runs_thread = next.is_some();
    cpu.current.set(next);
    cpu.previous.set(previous);
    new_slice();
    arm(&sched, runs_thread);
    trace::count(&trace::COUNTERS.switches, 1);
    core::mem::forget(sched);
    // SAFETY: (1) `load` was saved by this function or made by `prepare_stack`, and the lock, held until
    // `finish`, kept everybody else from running it; (2) `save` points into a thread that `cpu.previous` keeps alive, or
    // into the CPU's own state.
    unsafe { switch_stacks(save, load) };
    finish();
}

/// Second half of a switch, on the new stack.
fn finish() {
    let previous = percpu::this().previous.take();
    // SAFETY: `switch` forgot the guard with the lock held, on this CPU.
    unsafe { SCHED.force_unlock() };
    // Perhaps the last reference to a thread that ended: its stack is freed here, not while it is in use.
    drop(previous);
}

/// First thing a new thread does.
pub extern "C" fn started() {
    finish();
}

fn first_deadline(sched: &Sched) -> u64 {
    sched
        .waiters
        .iter()
        .map(|waiter| waiter.deadline)
        .min()
        .unwrap_or(NEVER)
}

/// Sets this CPU's timer for the end of the slice, the console and the next sleeper.
fn arm(sched: &Sched, runs_thread: bool) {
    if !PREEMPTION.load(Ordering::Relaxed) {
        return;
    }
    let cpu = percpu::this();
    let mut deadline = first_deadline(sched);
    if runs_thread || cpu.index == 0 {
        deadline = deadline.min(cpu.slice_end.get());
    }
    if deadline != NEVER {
        lapic::arm(deadline);
    }
}

fn new_slice() {
    let end = rdtsc() + time::ns_to_cycles(SLICE_NS);
    percpu::this().slice_end.set(end);
}

/// Lets timers interrupt from now on.
pub fn enable_preemption() {
    PREEMPTION.store(true, Ordering::Relaxed);
}

fn kick_idle_cpu() {
    for cpu in percpu::all() {
        if cpu.idle.load(Ordering::SeqCst) && !cpu.kicked.swap(true, Ordering::SeqCst) {
            lapic::send(cpu.apic_id, idt::WAKE);
            return;
        }
    }
}

fn make_ready(sched: &mut Sched, thread: Arc<Thread>) {
    sched.ready.push_back(thread);
    kick_idle_cpu();
}

/// Adds a new thread to the machine.
pub fn spawn(thread: Arc<Thread>) {
    let mut sched = lock();
    sched.threads.push(thread.clone());
    make_ready(&mut sched, thread);
}

/// Lets others run.
pub fn yield_now() {
    let mut sched = lock();
    if sched.ready.is_empty() {
        return;
    }
    if let Some(thread) = percpu::this().thread() {
        sched.ready.push_back(thread);
    }
    switch(sched);
}

/// Sleeps until somebody wakes `key` with a bit of `bitset`, `deadline` (TSC cycles) passes, or a signal comes.
pub fn block(mut sched: Guard, key: Key, bitset: u32, deadline: u64) -> Wake {
    let Some(thread) = percpu::this().thread() else {
        return Wake::Woken;
    };
    if thread.has_signal() {
        return Wake::Signal;
    }
    thread.wake.set(Wake::Woken);
    sched.waiters.push(Waiter {
        thread: thread.clone(),
        key,
        bitset,
        deadline,
    });
    switch(sched);
    thread.wake.get()
}

/// Sleeps until `deadline` (TSC cycles) or a signal.
pub fn sleep_until(deadline: u64) -> Wake {
    if deadline <= rdtsc() {
        return Wake::Timeout;
    }
    block(lock(), Key::Nothing, 0, deadline)
}

impl Sched {
    fn wake_at(&mut self, index: usize, reason: Wake) {
        let waiter = self.waiters.remove(index);
        waiter.thread.wake.set(reason);
        make_ready(self, waiter.thread);
    }

    /// Wakes up to `most` waiters of `key` whose bits match, oldest first. Gives their number.
    pub fn wake(&mut self, key: Key, bitset: u32, most: usize) -> usize {
        let mut woken = 0;
        let mut index = 0;
        while index < self.waiters.len() && woken < most {
            let waiter = &self.waiters[index];
            if waiter.key == key && waiter.bitset & bitset != 0 {
                self.wake_at(index, Wake::Woken);
                woken += 1;
            } else {
                index += 1;
            }
        }
        woken
    }

    /// Lets up to `most` waiters of `from` wait for `to` instead. Gives their number.
    pub fn requeue(&mut self, from: Key, to: Key, most: usize) -> usize {
        let waiting = self.waiters.iter_mut().filter(|waiter| waiter.key == from);
        waiting.take(most).map(|waiter| waiter.key = to).count()
    }

    /// Threads of the machine.
    pub fn threads(&self) -> &[Arc<Thread>] {
        &self.threads
    }
}

/// Wakes a thread that sleeps, because a signal came for it.
pub fn interrupt(thread: &Arc<Thread>) {
    let mut sched = lock();
    if let Some(index) = sched
        .waiters
        .iter()
        .position(|w| Arc::ptr_eq(&w.thread, thread))
    {
        sched.wake_at(index, Wake::Signal);
        return;
    }
    drop(sched);
    // It may be running: an interrupt makes it look.
    if percpu::count() > 1 {
        lapic::send_to_others(idt::WAKE);
    }
}

/// A timer interrupt.
pub fn tick() {
    crate::boot_manager::watchdog::tick();
    let cpu = percpu::this();
    if cpu.index == 0 {
        crate::linux::console_tick();
    }
    let mut sched = lock();
    let now = rdtsc();
    let mut woken = false;
    while let Some(index) = sched
        .waiters
        .iter()
        .position(|waiter| waiter.deadline <= now)
    {
        sched.wake_at(index, Wake::Timeout);
        woken = true;
    }
    let thread = cpu.current.take();
    let busy = thread.is_some();
    cpu.current.set(thread);
    let over = now >= cpu.slice_end.get();
    // Who slept goes first if no other CPU takes it.
    let crowded = woken && percpu::all().all(|cpu| !cpu.idle.load(Ordering::SeqCst));
    if busy && (over || crowded) {
        cpu.resched.set(true);
    }
    if over {
        new_slice();
    }
    arm(&sched, busy);
}

/// Last thing before the payload runs again: gives the CPU away if the slice is over.
pub fn before_return() {
    let cpu = percpu::this();
    if cpu.resched.take() {
        yield_now();
    }
}

/// Ends the running thread. The last one ends the machine with `code`.
pub fn exit_thread(code: i32) -> ! {
    let mut sched = lock();
    if let Some(thread) = percpu::this().thread() {
        sched.threads.retain(|other| !Arc::ptr_eq(other, &thread));
    }
    if sched.threads.is_empty() {
        drop(sched);
        crate::exit::program(code);
    }
    switch(sched);
    unreachable!("a thread that ended was run again")
}

/// What a CPU does when there is nothing to do. Becomes the CPU's idle context.
pub fn idle_loop() -> ! {
    let cpu = percpu::this();
    loop {
        let sched = lock();
        if !sched.ready.is_empty() {
            switch(sched);
            continue;
        }
        arm(&sched, false);
        cpu.kicked.store(false, Ordering::SeqCst);
        cpu.idle.store(true, Ordering::SeqCst);
        drop(sched);
        interrupts::enable_and_hlt();
        interrupts::disable();
        shootdown::leave_idle();
    }
}
