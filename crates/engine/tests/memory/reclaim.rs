//! Units are freed when nobody is in them, and not before.

use super::fire;
use super::support::{call, host, region, unit};
use engine::memory::{Freed, Reclaimer, Region, Symbol, Unit};
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

const NOTHING: Freed = Freed {
    units: 0,
    bytes: 0,
    waiting: 0,
};

fn freed(units: usize, waiting: usize) -> Freed {
    Freed {
        units,
        bytes: units * 4096,
        waiting,
    }
}

/// Code that calls `back` in the middle.
fn caller(region: &Arc<Region>) -> Unit {
    let ir = "
declare i64 @back(i64) nonlazybind
define i64 @f(i64 %x) {
  %a = call i64 @back(i64 %x)
  %b = add i64 %a, 1
  ret i64 %b
}";
    unit(region, ir, 2, &[("back", back_symbol())])
}

/// Retires such a unit from another thread: what this one's stack held of it while it was made would count.
fn retire_elsewhere(region: &Arc<Region>, reclaimer: &Reclaimer) {
    thread::scope(|scope| {
        scope.spawn(|| reclaimer.retire(caller(region)));
    });
}

/// Collects on another thread: what this one's stack keeps of the units that were looked at would count, too.
fn collect(reclaimer: &Reclaimer) -> Freed {
    thread::scope(|scope| scope.spawn(|| reclaimer.collect()).join().unwrap())
}

/// Bytes of a stack that the C library does not keep for the next thread: it keeps 40 MiB of them.
const FRESH_STACK: usize = 64 << 20;

/// Runs a test on a stack that was nobody's before: one of an earlier test may hold addresses that are this one's now.
fn on_fresh_stack(test: impl FnOnce() + Send) {
    let thread = thread::Builder::new().stack_size(FRESH_STACK);
    thread::scope(|scope| thread.spawn_scoped(scope, test).unwrap().join().unwrap());
}

type Action = Box<dyn FnMut(i64)>;

thread_local! {
    static ACTION: RefCell<Option<Action>> = const { RefCell::new(None) };
}

extern "C" fn back(x: i64) -> i64 {
    let action = ACTION.take();
    if let Some(mut action) = action {
        action(x);
    }
    x
}

fn back_symbol() -> Symbol {
    host(back as *const () as usize)
}

fn on_back(action: impl FnMut(i64) + 'static) {
    ACTION.set(Some(Box::new(action)));
}

#[test]
fn with_nobody_inside_it_is_freed_at_once() {
    let (region, reclaimer) = (region(1 << 20), Reclaimer::new());
    assert_eq!(reclaimer.collect(), NOTHING);
    for _ in 0..3 {
        reclaimer.retire(caller(&region));
    }
    assert_eq!(reclaimer.waiting(), 3);
    assert_eq!(reclaimer.collect(), freed(3, 0));
    assert_eq!(region.code_used(), 0);
    // A thread that was inside and left does not count.
    drop(reclaimer.enter());
    retire_elsewhere(&region, &reclaimer);
    assert_eq!(reclaimer.collect(), freed(1, 0));
}

#[test]
fn a_thread_inside_is_waited_for_until_it_polls() {
    on_fresh_stack(|| {
        let (region, reclaimer) = (region(1 << 20), Reclaimer::new());
        let outer = reclaimer.enter();
        let guard = reclaimer.enter();
        retire_elsewhere(&region, &reclaimer);
        for _ in 0..3 {
            assert_eq!(collect(&reclaimer), freed(0, 1));
        }
        // Only the outermost guard counts.
        drop(guard);
        assert_eq!(collect(&reclaimer), freed(0, 1));
        outer.poll();
        assert_eq!(collect(&reclaimer), freed(1, 0));
        retire_elsewhere(&region, &reclaimer);
        assert_eq!(collect(&reclaimer), freed(0, 1));
        drop(outer);
        assert_eq!(collect(&reclaimer), freed(1, 0));
        assert_eq!(region.code_used(), 0);
    });
}

#[test]
fn a_unit_on_the_stack_stays_and_others_go() {
    on_fresh_stack(|| {
        let region = region(1 << 20);
        let reclaimer: &'static Reclaimer = Box::leak(Box::new(Reclaimer::new()));
        // One with neighbours on both sides runs.
        let (units, address) = thread::scope(|scope| {
            let make = || {
                let units: Vec<_> = (0..4).map(|_| caller(&region)).collect();
                let address = units[1].address("f").unwrap();
                (units, address)
            };
            scope.spawn(make).join().unwrap()
        });
        let guard = reclaimer.enter();
        let mut units = Some(units);
        on_back(move |_| {
            let units = units.take().unwrap();
            thread::spawn(move || units.into_iter().for_each(|u| reclaimer.retire(u)))
                .join()
                .unwrap();
            assert_eq!(collect(reclaimer), freed(0, 4));
            reclaimer.poll();
            assert_eq!(collect(reclaimer), freed(3, 1));
            for _ in 0..3 {
                reclaimer.poll();
                assert_eq!(collect(reclaimer), freed(0, 1));
            }
        });
        // It returns into code that was retired four rounds ago.
        assert_eq!(super::support::call_at(address, 41), 42);
        assert_eq!(region.code_used(), 4096);
        // This frame still holds the address.
        reclaimer.poll();
        assert_eq!(collect(reclaimer), freed(0, 1));
        std::hint::black_box(&address);
        drop(guard);
        assert_eq!(collect(reclaimer), freed(1, 0));
        assert_eq!(region.code_used(), 0);
    });
}

#[test]
fn a_unit_deep_on_another_thread_stays() {
    let (region, reclaimer) = (region(1 << 20), Reclaimer::new());
    let unit = caller(&region);
    let address = unit.address("f").unwrap();
    let (inside, is_inside) = mpsc::channel();
    let (proceed, may_proceed) = mpsc::channel::<bool>();
    thread::scope(|scope| {
        let reclaimer = &reclaimer;
        let fresh = thread::Builder::new().stack_size(FRESH_STACK);
        let run = move || {
            let _guard = reclaimer.enter();
            // SAFETY: the scope ends before the reclaimer; the closure is used up before it does.
            let forever: &'static Reclaimer = unsafe { &*std::ptr::from_ref(reclaimer) };
            on_back(move |_| {
                inside.send(()).unwrap();
                while may_proceed.recv().unwrap() {
                    forever.poll();
                    inside.send(()).unwrap();
                }
            });
            assert_eq!(super::support::call_at(address, 1), 2);
        };
        fresh.spawn_scoped(scope, run).unwrap();
        is_inside.recv().unwrap();
        reclaimer.retire(unit);
        assert_eq!(collect(reclaimer), freed(0, 1));
        for _ in 0..5 {
            proceed.send(true).unwrap();
            is_inside.recv().unwrap();
            assert_eq!(collect(reclaimer), freed(0, 1));
        }
        proceed.send(false).unwrap();
    });
    // The thread has ended.
    let mut units = 0;
    for _ in 0..2 {
        units += collect(&reclaimer).units;
    }
    assert_eq!((units, region.code_used()), (1, 0));
}

#[test]
fn other_memory_of_the_thread_counts_if_it_is_named() {
    on_fresh_stack(|| {
        static STACK: [AtomicUsize; 9] = [const { AtomicUsize::new(0) }; 9];
        fn stack() -> std::ops::Range<usize> {
            let start = STACK.as_ptr() as usize;
            start..start + size_of_val(&STACK)
        }
        let region = region(1 << 20);
        // SAFETY: nobody else writes there while this thread looks.
        let reclaimer = unsafe { Reclaimer::with_stacks(stack) };
        // By another thread, so that this one's own stack does not hold the word. The unit is the only one of the region.
        let put = |place: usize, offset: usize| {
            thread::scope(|scope| {
                scope.spawn(|| {
                    STACK[place].store(region.code_range().start + offset, Ordering::Relaxed);
                });
            });
        };
        let guard = reclaimer.enter();
        for place in [0, 8] {
            retire_elsewhere(&region, &reclaimer);
            put(place, 4095);
            assert_eq!(collect(&reclaimer), freed(0, 1));
            guard.poll();
            assert_eq!(collect(&reclaimer), freed(0, 1));
            put(place, 4096);
            guard.poll();
            assert_eq!(collect(&reclaimer), freed(1, 0));
        }
    });
}

#[test]
fn reclaimers_do_not_wait_for_each_others_threads() {
    on_fresh_stack(|| {
        let region = region(1 << 20);
        let (first, second) = (Reclaimer::new(), Reclaimer::new());
        let _inside_first = first.enter();
        retire_elsewhere(&region, &second);
        assert_eq!(collect(&second), freed(1, 0));
        retire_elsewhere(&region, &first);
        assert_eq!(collect(&first), freed(0, 1));
        second.poll();
        assert_eq!(collect(&first), freed(0, 1));
        first.poll();
        assert_eq!(collect(&first), freed(1, 0));
    });
}

#[test]
fn what_is_left_goes_with_the_reclaimer() {
    let region = region(1 << 20);
    let reclaimer = Reclaimer::new();
    let unit = caller(&region);
    assert_eq!(call(&unit, "f", 1), 2);
    reclaimer.retire(unit);
    drop(reclaimer);
    assert_eq!(region.code_used(), 0);
}

#[test]
fn swaps_under_fire_are_seen_whole_and_leave_nothing() {
    // The example swap_bench does 100,000.
    let run = fire::run(4000);
    assert_eq!(run.wrong, 0, "{run:?}");
    assert_eq!((run.freed, run.waiting), (run.swaps, 0), "{run:?}");
    // 4000 swaps end at the size of table the first version had.
    assert_eq!(run.code[0], run.code[2], "{run:?}");
    assert!(run.calls > 0, "{run:?}");
}
