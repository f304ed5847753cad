//! The compiler's thread: takes the hottest request, compiles, links, publishes; frees old code when it is idle.

use super::config::Mode;
use super::function::Osr;
use super::hooks;
use super::queue::{Job, Next};
use super::shared::{Shared, tier_of};
use super::unit::{self, Builder, Built};
use crate::memory::{self, MemoryError, Symbol, Symbols, Unit};
use crate::profile::Tier;
use crate::profile::cycles::cpu_now_ns;
use crate::trace::{EventKind, Outcome, perf};
use crate::{Cpu, Error, Level};
use llvm::Context;
use std::sync::Arc;
use std::time::Duration;

/// How often old code is looked after while nothing is to be compiled.
const PATIENCE: Duration = Duration::from_millis(50);
/// Jobs after which LLVM's context is made anew: it keeps every constant and type it ever saw.
const JOBS_PER_CONTEXT: u32 = 2_000;

/// Symbols of the program and the engine's hooks.
pub(crate) struct UnitSymbols<'s>(pub &'s Shared);

impl UnitSymbols<'_> {
    fn site(&self, place: &str) -> Option<Symbol> {
        let (header, function) = place.split_once('.')?;
        let header: u32 = header.parse().ok()?;
        let id = self.0.image.function(function)?.id;
        let site = self.0.site(id, header)?;
        Some(Symbol::Data(site.id() as usize))
    }
}

impl Symbols for UnitSymbols<'_> {
    fn find(&self, name: &str) -> Option<Symbol> {
        if let Some(place) = name.strip_prefix(hooks::SITE) {
            return self.site(place);
        }
        if let Some(function) = name.strip_prefix(unit::BLOCKS) {
            let id = self.0.image.function(function)?.id;
            let counters = self.0.function(id).counters();
            return Some(Symbol::Data(counters.as_ptr().expose_provenance()));
        }
        match hooks::address(name) {
            Some(address) => Some(Symbol::Function {
                address,
                slot: None,
            }),
            None => self.0.image.names().find(name),
        }
    }
}

/// Runs until the engine stops. `bitcode` is the pristine program.
pub(crate) fn run(shared: &Arc<Shared>, bitcode: &[u8], cpu: &Cpu) {
    shared.trace.name_thread("compiler");
    shared.thrift.will_read(bitcode.len());
    while wait_for_work(shared) {
        let context = Context::new();
        let start = shared.now_ns();
        match Builder::new(&context, bitcode, cpu) {
            Ok(mut builder) => {
                let duration_ns = shared.now_ns() - start;
                shared.thrift.has_read(duration_ns);
                shared.trace.record_at(
                    start,
                    EventKind::Phase {
                        name: "read the program",
                        duration_ns,
                    },
                );
                work(shared, &mut builder);
            }
            Err(error) => {
                // The program was read before from the same bytes: there is no memory for it.
                shared.report(&format!("compiling is over: {error}"));
                shared.queue.stop();
            }
        }
    }
    shared.desk.close();
}

/// Waits until there is something to do that takes the program's IR: reading it costs time that a program whose code is
/// all there had better spend itself. False when the engine stops.
fn wait_for_work(shared: &Shared) -> bool {
    while !shared.queue.is_stopped() {
        shared.take_paces();
        let is_due = |job| shared.is_due(job);
        if shared.desk.is_wanted() || shared.queue.has_work(is_due, patience(shared)) {
            return true;
        }
        idle(shared);
    }
    false
}

fn work(shared: &Shared, builder: &mut Builder<'_>) {
    for _ in 0..JOBS_PER_CONTEXT {
        shared.desk.serve(shared, builder);
        shared.take_paces();
        match shared.queue.take(|job| shared.order(job), patience(shared)) {
            Next::Stop => return,
            Next::Idle => idle(shared),
            Next::Job(job) => {
                shared.cool();
                shared.compile_counted(job, || match job {
                    Job::Function(id, level) => function(shared, builder, id, level),
                    Job::Osr(id, header) => osr(shared, builder, id, header),
                });
                shared.is_done(job);
                if shared.reclaimer.waiting() > 0 {
                    collect(shared);
                }
            }
        }
    }
}

/// How long to wait for a job before something else is done.
fn patience(shared: &Shared) -> Duration {
    match shared.can_take_over() {
        true => Duration::ZERO,
        false => PATIENCE,
    }
}

/// Does what is useful while nothing is to be compiled.
fn idle(shared: &Shared) {
    if !shared.take_over_one() {
        tidy(shared);
    }
}

fn collect(shared: &Shared) {
    let freed = shared.reclaimer.collect_each(|unit| {
        if let Some(owner) = unit.owner() {
            shared.trace.record(EventKind::Free {
                function: (owner >> 8) as u32,
                tier: Tier::from_index(owner as usize & 0xff).unwrap_or_default(),
                bytes: unit.bytes() as u64,
            });
        }
    });
    if freed.bytes > 0 {
        shared.trace.record(EventKind::CodeMemory {
            bytes: shared.image.names().region.code_used() as u64,
        });
    }
}

/// Frees old code, and takes back variants whose guards fail.
fn tidy(shared: &Shared) {
    if shared.reclaimer.waiting() > 0 {
        collect(shared);
    }
    if let Some(probes) = &shared.probes {
        probes.measure(shared);
    }
    for (id, f) in shared.functions.iter().enumerate() {
        let id = id as u32;
        if unit::guards_fail(shared, id, f) {
            let level = {
                let mut state = f.state();
                state.generic = true;
                state.stale = true;
                state.is_special = false;
                state.level
            };
            // Misses are counted by code: what was made last for the function's arguments is what they missed.
            let variant = f.profile.variants().len().saturating_sub(1) as u32;
            shared.trace.record(EventKind::GuardMiss {
                function: id,
                variant,
            });
            if let Some(level) = level {
                shared.ask(Job::Function(id, level));
            }
        }
    }
}

/// Links an object; makes room by dropping the coldest code if there is none.
pub(crate) fn link(
    shared: &Shared,
    built: &Built,
    id: u32,
    tier: Tier,
) -> Result<(Unit, usize), Error> {
    let names = shared.image.names();
    let mut evicted = 0;
    loop {
        match memory::link(&names.region, &built.object, &UnitSymbols(shared)) {
            Ok(mut unit) => {
                unit.set_owner(u64::from(id) << 8 | tier.index() as u64);
                let at = unit.address(&built.symbol).ok_or_else(|| Error::Object {
                    message: format!("{} is not in its own object", built.symbol),
                })?;
                if let Some(map) = &shared.config.perf_map
                    && let Err(error) = perf::add(map, &unit, tier)
                {
                    shared.report(&format!("cannot write {}: {error}", map.display()));
                }
                return Ok((unit, at));
            }
            Err(MemoryError::Full { .. }) if evicted < 64 => {
                // What was dropped before may only wait to be acknowledged.
                if shared.reclaimer.waiting() == 0 || evicted % 8 == 0 {
                    shared.evict_coldest(id);
                }
                evicted += 1;
                // Threads acknowledge when they next call the engine.
                for _ in 0..10 {
                    collect(shared);
                    if shared.reclaimer.waiting() == 0 {
                        break;
                    }
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Instructions of a function that is compiled at once as well as it earned.
const SMALL: usize = 150;

/// The level to compile for now. A function that is large, or one of many that wait, leaves the interpreter at O0: that
/// costs an eighth of what O3 does, and front ends optimise, so most is gained by it. The rest comes right after.
fn first_step(shared: &Shared, id: u32, earned: Level) -> Level {
    let f = shared.function(id);
    let is_free = f.mode() == Mode::Auto && shared.config.shuffle.is_none();
    // What the interpreter cannot express runs code that is better than that of O0 from its first call on.
    if is_free
        && shared.config.compilers > 0
        && !shared.entry(id).is_native_only()
        && f.state().level.is_none()
        && (f.survey.instructions > SMALL || shared.queue.waiting() > 2)
    {
        Level::O0
    } else {
        earned
    }
}

fn function(shared: &Shared, builder: &mut Builder<'_>, id: u32, level: Level) {
    shared.take_over(id, 0);
    let f = shared.function(id);
    // It may have earned more while it waited, or been told to keep less.
    let earned = match (shared.config.shuffle, f.pinned()) {
        (Some(_), _) => level,
        (None, Some(pinned)) => pinned,
        (None, None) => shared.earned(id).map_or(level, |l| l.max(level)),
    };
    let level = first_step(shared, id, earned);
    {
        let mut state = f.state();
        let is_stale = std::mem::take(&mut state.stale);
        // An earlier request was answered with more than it asked for.
        if state.level >= Some(level) && !is_stale && shared.config.shuffle.is_none() {
            state.wanted = None;
            return;
        }
    }
    let tier = tier_of(Some(level));
    let (start, cpu_start) = (shared.trace.now_ns(), cpu_now_ns());
    let result = builder
        .function(shared, id, level)
        .and_then(|built| link(shared, &built, id, tier).map(|linked| (built, linked)));
    let duration_ns = shared.trace.now_ns() - start;
    let cpu_ns = cpu_now_ns() - cpu_start;
    let (bytes, outcome) = match result {
        Ok((built, (unit, at))) => {
            let bytes = unit.object_bytes() as u64;
            f.profile.compiled(tier, cpu_ns, bytes);
            dump(shared, &built, tier.name());
            if built.is_special {
                f.profile.add_variant(built.assumes.clone());
            }
            shared.publish(id, level, at, unit, &built);
            shared.remember(id, 0, level, &built, duration_ns);
            (bytes, Outcome::Published)
        }
        Err(error) => {
            let why = error.to_string();
            if f.profile.compile_failed(tier, None, cpu_ns, why.clone()) {
                let name = f.profile.name();
                shared.report(&format!(
                    "compile of {name} at {tier} failed: {why}; its old code goes on"
                ));
            }
            let is_full = matches!(error, Error::Memory(MemoryError::Full { .. }));
            let mut state = f.state();
            state.wanted = None;
            state.refusal = Some(error);
            if is_full {
                // There may be room later, and it asks again then.
                drop(state);
                shared.entry(id).arm(1_000);
            } else {
                state.failed = Some(state.failed.map_or(level, |l| l.min(level)));
            }
            (0, Outcome::Failed)
        }
    };
    shared.trace.record_at(
        start,
        EventKind::Compile {
            function: id,
            tier,
            duration_ns,
            cpu_ns,
            bytes,
            outcome,
        },
    );
    // Less was given than was asked for, or more was earned meanwhile, which asked for nothing.
    let now = match shared.config.shuffle {
        Some(_) => None,
        None => shared.earned(id),
    };
    if let Some(more) = now.max(Some(earned)).filter(|l| *l > level) {
        shared.request(id, more, false);
    }
}

fn osr(shared: &Shared, builder: &mut Builder<'_>, id: u32, header: u32) {
    let f = shared.function(id);
    let level = shared.osr_level(id, header);
    let tier = tier_of(Some(level));
    let (start, cpu_start) = (shared.trace.now_ns(), cpu_now_ns());
    let result = builder
        .osr(shared, id, header)
        .and_then(|built| link(shared, &built, id, tier).map(|linked| (built, linked)));
    let duration_ns = shared.trace.now_ns() - start;
    let cpu_ns = cpu_now_ns() - cpu_start;
    let (bytes, outcome, osr) = match result {
        Ok((built, (unit, at))) => {
            let bytes = unit.object_bytes() as u64;
            f.profile.osr_compiled(tier, cpu_ns, bytes);
            dump(shared, &built, tier.name());
            shared.remember(id, header, level, &built, duration_ns);
            (bytes, Outcome::Published, Osr::Ready(at, unit))
        }
        Err(error) => {
            let why = error.to_string();
            shared.loop_log.refused(id, header, why.clone());
            if f.profile
                .compile_failed(tier, Some(header), cpu_ns, why.clone())
            {
                let name = f.profile.name();
                shared.report(&format!(
                    "compile of {name} from its loop at block {header} on at {tier} failed: {why}; \
                     its old code goes on"
                ));
            }
            (0, Outcome::Failed, Osr::Failed)
        }
    };
    f.state().osr.insert(header, osr);
    shared.trace.record_at(
        start,
        EventKind::Compile {
            function: id,
            tier,
            duration_ns,
            cpu_ns,
            bytes,
            outcome,
        },
    );
}

/// Bytes of a dump's name before tier and extension: file systems take 255 in all.
const LONGEST_NAME: usize = 200;

/// A symbol as a file name: other characters than letters, digits and `._-$` become `_`, and what is too long keeps its
/// beginning and its end around a hash of the whole. The end of a mangled name tells more than the middle.
fn file_name(symbol: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-$".contains(c);
    let plain: String = symbol
        .chars()
        .map(|c| if is_plain(c) { c } else { '_' })
        .collect();
    if plain.len() <= LONGEST_NAME {
        return plain;
    }
    let hash = format!("~{:016x}~", formats::checksum::checksum(symbol.as_bytes()));
    let end = LONGEST_NAME / 3;
    let start = LONGEST_NAME - hash.len() - end;
    // All characters are ASCII here.
    format!("{}{hash}{}", &plain[..start], &plain[plain.len() - end..])
}

/// Writes IR and assembly, if they were asked for.
fn dump(shared: &Shared, built: &Built, tier: &str) {
    let (Some(config), Some((ir, assembly))) = (&shared.config.dump, &built.dump) else {
        return;
    };
    let file = file_name(&built.symbol);
    for (extension, text) in [("ll", ir), ("s", assembly)] {
        let path = config.folder.join(format!("{file}.{tier}.{extension}"));
        if let Err(error) = std::fs::write(&path, text) {
            shared.report(&format!("cannot write {}: {error}", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dumps_have_names_that_file_systems_take() {
        assert_eq!(file_name("main.osr.7"), "main.osr.7");
        assert_eq!(file_name("a/../b c\u{e9}"), "a_.._b_c_");
        // Two long mangled names that differ in the middle only.
        let long = |n: u32| format!("_RINv{}{n}{}17hE.osr.3", "x".repeat(400), "y".repeat(400));
        let (a, b) = (file_name(&long(1)), file_name(&long(2)));
        assert_eq!((a.len(), b.len()), (LONGEST_NAME, LONGEST_NAME));
        assert_ne!(a, b);
        assert!(
            a.starts_with("_RINvxxx") && a.ends_with("yyy17hE.osr.3"),
            "{a}"
        );
        assert_eq!(file_name(&"z".repeat(LONGEST_NAME)).len(), LONGEST_NAME);
    }
}
