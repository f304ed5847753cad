//! Checks the reclamation protocol in every interleaving (loom).
//!
//! The protocol is the engine's own source file, built on loom's primitives instead of the standard library's. Code is
//! modelled by cells: running code reads its cell, freeing it writes. Loom reports a read after the write and a read that
//! is not ordered before it, whichever way the threads take turns and whichever stores their loads find.

#![allow(dead_code)]

mod sync {
    //! What `protocol` is built from, in loom's version.
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
    pub(crate) use loom::sync::{Arc, Mutex, MutexGuard};

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap()
    }
}

#[path = "../src/memory/protocol.rs"]
mod protocol;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;
use protocol::{Participant, Rounds};

const VERSIONS: usize = 3;

/// A function: a slot, and the code of each version.
struct Function {
    slot: AtomicUsize,
    alive: [UnsafeCell<bool>; VERSIONS],
    rounds: Rounds<usize>,
}

impl Function {
    fn new() -> Arc<Self> {
        Arc::new(Function {
            slot: AtomicUsize::new(0),
            alive: std::array::from_fn(|_| UnsafeCell::new(true)),
            rounds: Rounds::new(),
        })
    }

    /// Loads the slot and goes where it leads.
    fn call(&self) -> usize {
        let version = self.slot.load(Ordering::Acquire);
        self.run(version);
        version
    }

    /// Executes code of a version.
    fn run(&self, version: usize) {
        // SAFETY: loom checks that nobody writes at the same time.
        self.alive[version].with(|alive| assert!(unsafe { *alive }, "freed code runs"));
    }

    /// Publishes a version, retires the one before.
    fn swap(&self, version: usize) {
        let old = self.slot.swap(version, Ordering::AcqRel);
        self.rounds.retire(old);
    }

    /// Frees what can be freed; gives how many things wait.
    fn collect(&self) -> usize {
        let collected = self.rounds.collect();
        for version in collected.free {
            // SAFETY: loom checks that nobody reads or writes at the same time.
            self.alive[version].with_mut(|alive| unsafe { *alive = false });
        }
        collected.waiting
    }

    /// Everything but the published version is freed.
    fn finish(&self) {
        for _ in 0..4 {
            if self.collect() == 0 {
                break;
            }
        }
        assert_eq!(self.rounds.waiting(), 0, "retired code is never freed");
        let published = self.slot.load(Ordering::Acquire);
        for (version, alive) in self.alive.iter().enumerate() {
            // SAFETY: as in `run`.
            let alive = alive.with(|alive| unsafe { *alive });
            assert_eq!(alive, version >= published, "version {version}");
        }
    }

    fn poll(&self, me: &Participant, on_stack: Option<usize>) {
        if self.rounds.is_pending() && self.rounds.is_waiting(me) {
            self.rounds.acknowledge(me, |round| {
                for (number, &version) in round.things() {
                    if Some(version) == on_stack {
                        round.keep(number);
                    }
                }
            });
        }
    }
}

/// Runs a model; `preemptions` bounds how often threads are interrupted, which loom's authors found to lose little.
fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(f);
}

/// A thread that calls, polls between calls, calls again and leaves.
fn caller(function: Arc<Function>, me: sync::Arc<Participant>) {
    function.rounds.enter(&me);
    function.call();
    function.poll(&me, None);
    function.call();
    function.rounds.leave(&me);
}

#[test]
fn swaps_under_a_caller() {
    model(5, || {
        let function = Function::new();
        let me = function.rounds.register();
        let caller = {
            let function = function.clone();
            thread::spawn(move || caller(function, me))
        };
        function.swap(1);
        function.collect();
        function.swap(2);
        function.collect();
        caller.join().unwrap();
        function.finish();
    });
}

#[test]
fn two_callers_and_one_swap() {
    model(3, || {
        let function = Function::new();
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let (function, me) = (function.clone(), function.rounds.register());
                thread::spawn(move || caller(function, me))
            })
            .collect();
        function.swap(1);
        function.collect();
        function.collect();
        for caller in callers {
            caller.join().unwrap();
        }
        function.finish();
    });
}

#[test]
fn code_on_a_stack_stays() {
    model(5, || {
        let function = Function::new();
        let me = function.rounds.register();
        let caller = {
            let function = function.clone();
            thread::spawn(move || {
                function.rounds.enter(&me);
                let version = function.call();
                // In a function that this code called, then back in the code.
                function.poll(&me, Some(version));
                function.run(version);
                function.poll(&me, Some(version));
                function.run(version);
                function.rounds.leave(&me);
            })
        };
        function.swap(1);
        function.collect();
        function.collect();
        function.collect();
        caller.join().unwrap();
        function.finish();
    });
}

#[test]
fn a_thread_may_come_late_and_come_back() {
    model(5, || {
        let function = Function::new();
        let caller = {
            let function = function.clone();
            thread::spawn(move || {
                let me = function.rounds.register();
                for _ in 0..2 {
                    function.rounds.enter(&me);
                    function.call();
                    function.rounds.leave(&me);
                }
            })
        };
        function.swap(1);
        function.collect();
        function.collect();
        caller.join().unwrap();
        function.finish();
    });
}

#[test]
fn looking_is_enough_nobody_has_to_leave() {
    model(5, || {
        let function = Function::new();
        let me = function.rounds.register();
        function.rounds.enter(&me);
        function.swap(1);
        assert_eq!(function.collect(), 1);
        let other = {
            let function = function.clone();
            thread::spawn(move || function.collect())
        };
        function.poll(&me, None);
        other.join().unwrap();
        function.finish();
        function.rounds.leave(&me);
    });
}

#[test]
fn two_collectors_free_everything_once() {
    model(3, || {
        let function = Function::new();
        let me = function.rounds.register();
        let other = {
            let function = function.clone();
            thread::spawn(move || {
                function.collect();
                function.collect();
            })
        };
        function.rounds.enter(&me);
        function.swap(1);
        function.collect();
        function.poll(&me, None);
        function.call();
        function.rounds.leave(&me);
        other.join().unwrap();
        function.finish();
    });
}

#[test]
#[should_panic]
fn the_model_sees_a_caller_that_does_not_enter() {
    model(5, || {
        let function = Function::new();
        let caller = {
            let function = function.clone();
            thread::spawn(move || {
                function.call();
            })
        };
        function.swap(1);
        function.collect();
        caller.join().unwrap();
    });
}

#[test]
#[should_panic]
fn the_model_sees_a_stack_that_is_not_reported() {
    model(5, || {
        let function = Function::new();
        let me = function.rounds.register();
        let caller = {
            let function = function.clone();
            thread::spawn(move || {
                function.rounds.enter(&me);
                let version = function.call();
                function.poll(&me, None);
                function.run(version);
                function.rounds.leave(&me);
            })
        };
        function.swap(1);
        function.collect();
        function.collect();
        caller.join().unwrap();
    });
}
