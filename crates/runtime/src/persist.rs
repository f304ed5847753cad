//! What a program's runs leave on the disk, and what the next run takes from it.
//!
//! ```text
//!  start:    store --PROGRAM--> prepared modules    --PROFILE, CODE--> engine.restore
//!  running:  keeper's thread: 3 s without a compile, Ctrl-C, or a minute since the last time
//!  end:      at_end waits for a last time
//!                 engine.snapshot --> PROFILE, CODE     figures --> BOOT, BOOT_LOG     engine.prepared --> PROGRAM
//! ```
//!
//! The store is the file `/bareflow/store` of the volume (`store::records`), made with the image. A program whose volume
//! has none is not remembered. Nothing here stops the program: what cannot be read is named and left, what cannot be
//! written is named once and not tried again.
//!
//! | kind | key | what |
//! |---|---|---|
//! | `BOOT` | 0 | JSON: number of boots, and what the last one was |
//! | `PROFILE` | 0 | the profile of all functions: it outlives changes of CPU and runtime |
//! | `CODE` | key of the CPU features | a code set: it waits for its CPU to come back |
//! | `PROGRAM` | hash of modules, CPU and build | the prepared program |
//! | `BOOT_LOG` | 0 | JSON: an array, one object for each boot, oldest first |

use crate::cli::Options;
use crate::files::Files;
use crate::platform::{build, clock, interrupt, machine, watch};
use engine::snapshot::{Figures, Hash, Imported, Left, Origin};
use engine::tier::{Engine, Mode};
use serde_json::{Value, json};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};
use store::records::{Area, AreaError, FileArea, RecordError, Records, kind};

/// The store's path on the volume.
pub const STORE: &str = formats::slots::STORE_PATH;
/// Time without a compile after which a program has converged for now.
const CALM: Duration = Duration::from_secs(3);
/// Longest time between two saves while there is something new.
const LATEST: Duration = Duration::from_secs(60);
/// How often the keeper looks.
const LOOK: Duration = Duration::from_millis(250);
/// Time that hashing may take when the program ends.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time in which compiles that wait are still begun when the program ends, so that even short runs get faster from boot to
/// boot. Longer on a machine that grows: it is booted to get ready, and a boot costs seconds by itself.
const BEGIN: Duration = Duration::from_secs(2);
const BEGIN_GROWING: Duration = Duration::from_secs(10);
/// Time that the compile under way may take beyond that. Cut off, it would be made again in every boot that is as short.
const FINISH: Duration = Duration::from_secs(8);
/// Most boots in the log; the oldest go first.
const LOGGED: usize = 400;
/// CPUs (and builds) whose prepared programs and code sets are kept; the one used longest ago goes first.
const CPUS: usize = 6;
/// Rejected things that are named on standard error one by one.
const NAMED: usize = 12;
/// A write of this many bytes at most, so that others get at the disk in between.
const PIECE: usize = 64 << 10;

/// The store's file, written in small pieces.
struct Pieces(FileArea);

impl Area for Pieces {
    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<(), AreaError> {
        self.0.read_at(offset, buf)
    }

    fn write_at(&mut self, offset: u64, data: &[u8]) -> Result<(), AreaError> {
        let pieces = data.chunks(PIECE).enumerate();
        for (number, piece) in pieces {
            self.0.write_at(offset + (number * PIECE) as u64, piece)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), AreaError> {
        self.0.flush()
    }
}

/// Times of the start, since the machine's or the process's first instruction where that is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Start {
    /// From the first instruction to the runtime's `main`.
    pub to_main: Duration,
    /// From there to the call of the program's entry.
    pub to_entry: Duration,
}

/// What is known of this boot and the last ones.
pub struct Keeper {
    store: Option<Records<Pieces>>,
    origin: Origin,
    boots: u64,
    log: Vec<Value>,
    /// The program's entry symbol, while its prepared form is not in the store.
    unprepared: Option<String>,
    /// Whether it was prepared when this run began.
    was_prepared: bool,
    imported: Imported,
    start: Start,
    /// Units published when the code was saved last; none if it never was.
    saved: Option<u64>,
    /// When the runtime's `main` began.
    main: Duration,
    /// Whether the machine is one that changes itself.
    is_growing: bool,
}

/// Where prepared modules and code come from.
pub struct Identity<'a> {
    /// Names and first bytes of all modules: their containers' heads hold hashes of the rest.
    pub modules: &'a [(String, Vec<u8>)],
    /// The CPU code is made for.
    pub cpu: &'a engine::Cpu,
    /// What `bf_cpu_features()` answers.
    pub features: u64,
}

impl Identity<'_> {
    fn origin(&self) -> Origin {
        let parts = self.modules.iter();
        let parts = parts.flat_map(|(name, head)| [name.as_bytes(), head.as_slice()]);
        let source = Hash::of_all(parts);
        let cpu = Hash::of_all([
            self.cpu.feature_string().as_bytes(),
            self.cpu.tune().as_bytes(),
            &self.features.to_le_bytes(),
        ])
        .key();
        let build = build::id();
        let program = Hash::of_all([&source.0[..], &cpu.to_le_bytes(), &build.to_le_bytes()]);
        Origin {
            source,
            program,
            cpu,
            build,
        }
    }
}

/// Whether a run is one of those that are remembered: not an experiment with the engine.
pub fn is_wanted(options: &Options) -> bool {
    let e = &options.engine;
    let experiment = e.no_osr || e.no_specialise || e.no_profile || e.force_osr;
    !options.no_persist
        && options.ahead.is_none()
        && options.modules.is_empty()
        && e.tier == Mode::Auto
        && e.functions.is_empty()
        && e.dump.is_none()
        && e.shuffle.is_none()
        && !experiment
}

fn say(message: &str) {
    eprintln!("bareflow: {message}");
}

impl Keeper {
    /// Opens the store of the volume; `None` without one, after saying why if it should be there. `forget` starts as on
    /// the first boot.
    pub fn open(files: &Files, identity: &Identity<'_>, forget: bool) -> Option<Self> {
        let area = match files.area(STORE) {
            Ok(area) => area?,
            Err(error) => {
                say(&format!("this run will not be remembered: {error}"));
                return None;
            }
        };
        let opened = Records::open(Pieces(area));
        let store = match opened {
            Ok(store) => store,
            Err(error) => {
                say(&format!("this run will not be remembered: {error}"));
                return None;
            }
        };
        for (place, error) in store.bad_headers() {
            say(&format!("{STORE}: header {place} is not used: {error}"));
        }
        let mut keeper = Keeper {
            store: Some(store),
            origin: identity.origin(),
            boots: 1,
            log: Vec::new(),
            unprepared: None,
            was_prepared: false,
            imported: Imported::default(),
            start: Start::default(),
            saved: None,
            main: clock::monotonic(),
            is_growing: false,
        };
        if forget {
            keeper.forget();
        }
        let parse = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).ok();
        let boot = keeper.read(kind::BOOT, 0).and_then(parse);
        keeper.boots = boot.and_then(|b| b["boots"].as_u64()).unwrap_or(0) + 1;
        Some(keeper)
    }

    /// Takes away what would shorten this start.
    fn forget(&mut self) {
        let Some(store) = &mut self.store else { return };
        let mut keys: Vec<(u16, u64)> = store.list().iter().map(|i| (i.kind, i.key)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.retain(|(k, _)| [kind::PROFILE, kind::CODE, kind::PROGRAM].contains(k));
        for (kind, key) in keys {
            if let Err(error) = store.remove(kind, key) {
                return self.give_up(&error);
            }
        }
    }

    fn read(&mut self, kind: u16, key: u64) -> Option<Vec<u8>> {
        let store = self.store.as_mut()?;
        match store.latest(kind, key) {
            Ok(record) => Some(record?.payload),
            Err(error) => {
                self.give_up(&error);
                None
            }
        }
    }

    fn give_up(&mut self, error: &RecordError) {
        say(&format!("nothing more will be remembered: {error}"));
        self.store = None;
    }

    fn put(&mut self, kind: u16, key: u64, payload: &[u8]) -> bool {
        let Some(store) = &mut self.store else {
            return false;
        };
        match store.put(kind, key, payload) {
            Ok(_) => true,
            Err(error) => {
                self.give_up(&error);
                false
            }
        }
    }

    /// The prepared program, if an earlier boot left one for these modules, this CPU and this build.
    pub fn program(&mut self) -> Option<Vec<u8>> {
        let program = self.read(kind::PROGRAM, self.origin.program.key());
        self.was_prepared = program.is_some();
        program
    }

    /// The program had to be prepared, and is to be kept so.
    pub fn keep_program(&mut self, entry: &str) {
        self.unprepared = Some(entry.to_owned());
        self.was_prepared = false;
    }

    /// Lets the engine go on where the last boot stopped, and names what it could not take over.
    pub fn restore(&mut self, engine: &Engine) {
        engine.keep_code();
        let profile = self.read(kind::PROFILE, 0);
        let code = self.read(kind::CODE, self.origin.cpu);
        let left = Left {
            profile: profile.as_deref(),
            code: code.as_deref(),
        };
        let mut imported = engine.restore(&self.origin, &left);
        if let Some(store) = &self.store {
            use store::records::State;
            for info in store.list() {
                if let State::Damaged { .. } = info.state {
                    let name = formats::record::kind::name(info.kind).unwrap_or("unknown");
                    imported.rejected.push(engine::snapshot::Rejected {
                        what: format!("record {name} of generation {}", info.generation),
                        reason: info.state.to_string(),
                    });
                }
            }
            let others = store.list().into_iter();
            let others = others.filter(|i| i.kind == kind::CODE && i.key != self.origin.cpu);
            if code.is_none() && others.count() > 0 {
                imported.rejected.push(engine::snapshot::Rejected {
                    what: "code".into(),
                    reason: format!(
                        "there is none for CPU features {:016x}, only for others; it waits for them",
                        self.origin.cpu
                    ),
                });
            }
        }
        if code.is_some() && imported.rejected.is_empty() {
            self.saved = Some(0);
        }
        for rejected in imported.rejected.iter().take(NAMED) {
            say(&format!("kept {}: {}", rejected.what, rejected.reason));
        }
        if imported.rejected.len() > NAMED {
            let more = imported.rejected.len() - NAMED;
            say(&format!(
                "kept: {more} more were not taken over; --report names them"
            ));
        }
        self.imported = imported;
    }

    /// What was taken over from the last boot.
    pub fn imported(&self) -> &Imported {
        &self.imported
    }

    /// Writes what is new.
    fn save(&mut self, engine: &Engine, patience: Duration) {
        if self.store.is_none() {
            return;
        }
        let published = engine.figures().published;
        if let Some(entry) = self.unprepared.take() {
            match engine.prepared(&entry) {
                Ok(bytes) => {
                    self.make_room(kind::PROGRAM, self.origin.program.key());
                    self.put(kind::PROGRAM, self.origin.program.key(), &bytes);
                }
                Err(error) => say(&format!("the prepared program is not kept: {error}")),
            }
        }
        match engine.snapshot(&self.origin, self.boots, patience) {
            Ok(snapshot) => {
                self.put(kind::PROFILE, 0, &snapshot.profile);
                if self.saved != Some(published) && snapshot.units > 0 {
                    self.make_room(kind::CODE, self.origin.cpu);
                    self.put(kind::CODE, self.origin.cpu, &snapshot.code);
                }
                self.saved = Some(published);
            }
            Err(error) => say(&format!("profile and code are not kept: {error}")),
        }
        self.note_boot(&engine.figures());
    }

    /// Removes what belongs to CPUs and builds that were not seen for long.
    fn make_room(&mut self, kind: u16, key: u64) {
        let Some(store) = &mut self.store else { return };
        let mut newest: Vec<(u64, u64)> = Vec::new();
        for info in store
            .list()
            .into_iter()
            .filter(|i| i.kind == kind && i.key != key)
        {
            match newest.iter_mut().find(|(_, k)| *k == info.key) {
                Some((generation, _)) => *generation = (*generation).max(info.generation),
                None => newest.push((info.generation, info.key)),
            }
        }
        newest.sort_unstable();
        let surplus = (newest.len() + 1).saturating_sub(CPUS);
        for (_, old) in newest.into_iter().take(surplus) {
            if let Err(error) = store.remove(kind, old) {
                return self.give_up(&error);
            }
        }
    }

    /// Counts the boot, and says in the log what became of it so far.
    fn note_boot(&mut self, figures: &Figures) {
        if self.log.is_empty() {
            let log = self.read(kind::BOOT_LOG, 0);
            let log = log.and_then(|l| serde_json::from_slice::<Vec<Value>>(&l).ok());
            self.log = log.unwrap_or_default();
            let drop = (self.log.len() + 1).saturating_sub(LOGGED);
            self.log.drain(..drop);
            self.log.push(Value::Null);
        }
        let facts = self.facts(figures);
        let boot = json!({ "boots": self.boots, "last": facts });
        if let Some(last) = self.log.last_mut() {
            *last = facts;
        }
        let log = serde_json::to_vec(&self.log).unwrap_or_default();
        let _ = self.put(kind::BOOT, 0, boot.to_string().as_bytes())
            && self.put(kind::BOOT_LOG, 0, &log);
    }

    /// This boot as JSON. Times are milliseconds; `first_output_ms` and `first_token_ms` count from the first instruction
    /// on the machine, from the runtime's `main` hosted.
    fn facts(&self, figures: &Figures) -> Value {
        let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
        let since = |at: Duration| match crate::platform::is_machine() {
            true => at,
            false => at.saturating_sub(self.main),
        };
        let seen = watch::seen();
        let mut reasons: Vec<&str> = self
            .imported
            .rejected
            .iter()
            .map(|r| r.reason.as_str())
            .collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons.truncate(NAMED);
        let cold = machine::cold_misses();
        json!({
            "boot": self.boots,
            "machine": crate::platform::is_machine(),
            "cpu": format!("{:016x}", self.origin.cpu),
            "build": format!("{:016x}", self.origin.build),
            "program": format!("{:?}", self.origin.program),
            "prepared": self.was_prepared,
            "start_to_main_ms": ms(self.start.to_main),
            "main_to_entry_ms": ms(self.start.to_entry),
            "first_output_ms": seen.first_output.map(|t| ms(since(t))),
            "first_token_ms": seen.first_token_ms,
            "tokens_per_second": seen.tokens_per_second,
            "run_ms": ms(clock::monotonic().saturating_sub(self.main)),
            "compiles": figures.compiles,
            "recompiles": figures.recompiles,
            "compile_ms": ms(Duration::from_nanos(figures.compile_ns)),
            "tiers": figures.tiers,
            "code_bytes": figures.code_bytes,
            "kept_functions": self.imported.functions,
            "kept_heat_only": self.imported.heat_only,
            "kept_compiled": self.imported.compiled,
            "kept_loops": self.imported.loops,
            "kept_code_bytes": self.imported.code_bytes,
            "restore_ms": ms(self.imported.duration),
            "cold_misses": cold.as_ref().map(|c| c.misses),
            "cold_ms": cold.as_ref().map(|c| ms(c.time)),
            "rejected": self.imported.rejected.len(),
            "reasons": reasons,
        })
    }

    /// Starts the thread that saves while the program runs.
    pub fn spawn(mut self, engine: &'static Engine, start: Start, is_growing: bool) -> Remembering {
        self.start = start;
        self.is_growing = is_growing;
        let state: Arc<(Mutex<Stage>, Condvar)> = Arc::default();
        let of_thread = state.clone();
        let thread = std::thread::Builder::new().name("keeper".into());
        let started = thread.spawn(move || self.keep(engine, &of_thread));
        if let Err(error) = &started {
            say(&format!("this run will not be remembered: {error}"));
            set(&state, Stage::Done);
        }
        Remembering { state }
    }

    fn keep(mut self, engine: &Engine, state: &(Mutex<Stage>, Condvar)) {
        let mut published = engine.figures().published;
        let (mut changed, mut last) = (Instant::now(), Instant::now());
        let mut is_interrupted = false;
        loop {
            if wait(state, LOOK) {
                // Without a store nothing of it would be there next time.
                if self.store.is_some() {
                    linger(engine, self.is_growing);
                }
                self.save(engine, PATIENCE);
                return set(state, Stage::Done);
            }
            let now = engine.figures().published;
            // What waits until it pays may wait for ever.
            if now != published || engine.is_at_work() {
                published = now;
                changed = Instant::now();
            }
            let is_new = self.saved != Some(now);
            let was_interrupted = std::mem::replace(&mut is_interrupted, interrupt::was_pressed());
            if is_new && (changed.elapsed() >= CALM || last.elapsed() >= LATEST)
                || is_interrupted && !was_interrupted
            {
                self.save(engine, Duration::MAX);
                last = Instant::now();
            }
        }
    }
}

/// Lets the compiler finish what it has, but not for long; it begins nothing afterwards.
fn linger(engine: &Engine, is_growing: bool) {
    let wait = |most: Duration| {
        let start = Instant::now();
        while engine.is_compiling() && start.elapsed() < most {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    engine.compile_the_rest();
    wait(match is_growing {
        true => BEGIN_GROWING,
        false => BEGIN,
    });
    engine.begin_no_more();
    wait(FINISH);
}

/// Where the keeper is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Running,
    /// The program ends: one last time.
    Ending,
    Done,
}

fn set(state: &(Mutex<Stage>, Condvar), stage: Stage) {
    *state.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    state.1.notify_all();
}

/// Waits; true if the program ends.
fn wait(state: &(Mutex<Stage>, Condvar), most: Duration) -> bool {
    let stage = state.0.lock().unwrap_or_else(PoisonError::into_inner);
    if *stage == Stage::Ending {
        return true;
    }
    let waited = state.1.wait_timeout(stage, most);
    *waited.unwrap_or_else(PoisonError::into_inner).0 == Stage::Ending
}

/// A keeper at work.
pub struct Remembering {
    state: Arc<(Mutex<Stage>, Condvar)>,
}

impl Remembering {
    /// Saves one last time and waits for that.
    pub fn finish(&self) {
        let mut stage = self.state.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage == Stage::Running {
            *stage = Stage::Ending;
            self.state.1.notify_all();
        }
        while *stage != Stage::Done {
            let waited = self.state.1.wait(stage);
            stage = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}
