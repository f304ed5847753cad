//! Swap under fire: threads call a function while its code is replaced and freed again and again.
//!
//! Each version of the function says its number twice in one result: once before it polls, from its code, and once after,
//! from a table in its unit. Code that was freed or written over meanwhile gives two different numbers, or a fault. The
//! callers' loop is machine code too; it calls through the slot.

use super::support::{call_at, host, names, object};
use engine::memory::{MemoryError, Reclaimer, Region, RegionConfig, Symbol, install_at, link};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

static RECLAIMER: LazyLock<Reclaimer> = LazyLock::new(Reclaimer::new);
/// Stands for the version's number in the objects.
const MARK: u32 = 0x5eed_beef;
/// Entries of the tables of different versions: units of one to five pages.
const TABLES: [usize; 4] = [4, 700, 1200, 2000];

extern "C" fn poll() {
    RECLAIMER.poll();
}

/// What a run shows.
#[derive(Debug, Default)]
pub struct Outcome {
    pub swaps: u64,
    pub calls: u64,
    /// Calls in which two versions were seen, or an older one than before.
    pub wrong: u64,
    pub freed: u64,
    /// Units not freed at the end.
    pub waiting: usize,
    /// Bytes of code memory before the first swap, at most, and after the last.
    pub code: [usize; 3],
    pub time: Duration,
    /// Of all calls of the linker.
    pub linking: Duration,
    pub longest_link: Duration,
    /// How often the limit was reached, so that the writer had to wait for the callers.
    pub full: u64,
}

fn version_ir(entries: usize) -> String {
    let row = |i: usize| format!("{{ i32, i32 }} {{ i32 {i}, i32 {MARK} }}");
    let rows: Vec<String> = (0..entries).map(row).collect();
    format!(
        "declare void @poll() nonlazybind
@table = private constant [{entries} x {{ i32, i32 }}] [{}]
define i64 @f(i64 %x) nonlazybind {{
  %i = urem i64 %x, {entries}
  call void @poll()
  %p = getelementptr [{entries} x {{ i32, i32 }}], ptr @table, i64 0, i64 %i, i32 1
  %low = load i32, ptr %p
  %wide = zext i32 %low to i64
  %both = or i64 %wide, {}
  ret i64 %both
}}",
        rows.join(", "),
        u64::from(MARK) << 32
    )
}

/// Calls `n` times; gives the newest version seen in the low half and the number of wrong results in the high one.
const CALLER: &str = "
declare i64 @f(i64) nonlazybind
define i64 @caller(i64 %n) {
entry:
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %next, %loop ]
  %newest = phi i64 [ 0, %entry ], [ %low, %loop ]
  %wrong = phi i64 [ 0, %entry ], [ %wrong.2, %loop ]
  %both = call i64 @f(i64 %i)
  %low = and i64 %both, 4294967295
  %high = lshr i64 %both, 32
  %torn = icmp ne i64 %low, %high
  %old = icmp ult i64 %low, %newest
  %bad = or i1 %torn, %old
  %bad.n = zext i1 %bad to i64
  %wrong.2 = add i64 %wrong, %bad.n
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %n
  br i1 %more, label %loop, label %end
end:
  %top = shl i64 %wrong.2, 32
  %result = or i64 %top, %low
  ret i64 %result
}";

/// Writes the number of a version where the mark is.
fn number(template: &[u8], marks: &[usize], version: u32) -> Vec<u8> {
    let mut object = template.to_vec();
    for &at in marks {
        object[at..at + 4].copy_from_slice(&version.to_le_bytes());
    }
    object
}

/// Runs `swaps` swaps against two calling threads.
pub fn run(swaps: u64) -> Outcome {
    let config = RegionConfig {
        slots: 1,
        cells: 0,
        variable_bytes: 0,
        variable_align: 1,
        code_limit: 1 << 20,
    };
    let region = Region::new(config).unwrap();
    let slot = region.slot_address(0);
    let stub = install_at(&region, 6, |at, code| {
        code[..2].copy_from_slice(&[0xff, 0x25]);
        code[2..].copy_from_slice(&(slot.wrapping_sub(at + 6) as u32).to_le_bytes());
    })
    .unwrap();
    let symbols = names(&[
        ("poll", host(poll as *const () as usize)),
        (
            "f",
            Symbol::Function {
                address: stub.range().start,
                slot: Some(slot),
            },
        ),
    ]);
    let templates: Vec<(Vec<u8>, Vec<usize>)> = TABLES
        .iter()
        .enumerate()
        .map(|(level, &entries)| {
            let object = object(&version_ir(entries), level as u32);
            let marks: Vec<usize> = (0..object.len() - 3)
                .filter(|&at| object[at..at + 4] == MARK.to_le_bytes())
                .collect();
            assert_eq!(marks.len(), entries + 1);
            (object, marks)
        })
        .collect();
    // At O0 the loop calls through the slot itself; at O2 LLVM loads the function's address, the stub's, once.
    let callers = [0, 2].map(|level| link(&region, &object(CALLER, level), &symbols).unwrap());

    let make = |version: u64| {
        let (template, marks) = &templates[(version % 4) as usize];
        link(&region, &number(template, marks, version as u32), &symbols)
    };
    let mut published = make(1).unwrap();
    let at = |unit: &engine::memory::Unit| unit.address("f").unwrap();
    region.slot(0).store(at(&published), Ordering::Release);

    let mut outcome = Outcome {
        swaps,
        code: [region.code_used(), region.code_used(), 0],
        ..Outcome::default()
    };
    let (stop, calls, wrong) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        let (stop, calls, wrong) = (&stop, &calls, &wrong);
        for caller in &callers {
            let caller_at = caller.address("caller").unwrap();
            scope.spawn(move || {
                // Short stays, so that threads come and go, and long ones.
                for n in [10, 3000].into_iter().cycle() {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    let _guard = RECLAIMER.enter();
                    let result = call_at(caller_at, n) as u64;
                    calls.fetch_add(n as u64, Ordering::Relaxed);
                    wrong.fetch_add(result >> 32, Ordering::Relaxed);
                }
            });
        }
        let start = Instant::now();
        for version in 2..swaps + 2 {
            let next = loop {
                let began = Instant::now();
                let made = make(version);
                let took = began.elapsed();
                match made {
                    Ok(unit) => {
                        outcome.linking += took;
                        outcome.longest_link = outcome.longest_link.max(took);
                        break unit;
                    }
                    Err(MemoryError::Full { .. }) => {
                        outcome.full += 1;
                        outcome.freed += RECLAIMER.collect().units as u64;
                        thread::yield_now();
                    }
                    Err(error) => panic!("{error}"),
                }
            };
            region.slot(0).store(at(&next), Ordering::Release);
            RECLAIMER.retire(std::mem::replace(&mut published, next));
            outcome.code[1] = outcome.code[1].max(region.code_used());
            outcome.freed += RECLAIMER.collect().units as u64;
        }
        outcome.time = start.elapsed();
        stop.store(true, Ordering::Relaxed);
    });
    // The callers are gone: one round for what is retired, one for what was found on a stack.
    for _ in 0..3 {
        outcome.freed += RECLAIMER.collect().units as u64;
    }
    outcome.waiting = RECLAIMER.waiting();
    outcome.code[2] = region.code_used();
    outcome.calls = calls.into_inner();
    outcome.wrong = wrong.into_inner();
    outcome
}
