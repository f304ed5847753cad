//! Taking a snapshot of a running engine, and going on from one.

use super::code::{CodeSet, Found, Kept, Owned};
use super::desk::Work;
use super::hash::{Hash, of_function, of_unit};
use super::{Error, Left, Origin, Prepared, Snapshot, code, profile};
use crate::profile::Tier;
use crate::tier::Engine;
use crate::tier::config::Mode;
use crate::tier::parts::{Builder, Built, Shared};
use formats::profile::{Function as KeptFunction, Profile};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// Something that was kept and cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Which: `profile`, `code`, or one of a function.
    pub what: String,
    /// Why.
    pub reason: String,
}

/// What an engine took over from an earlier run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Functions whose profile goes on.
    pub functions: usize,
    /// Of those, functions whose shape is another on this CPU: only their heat goes on.
    pub heat_only: usize,
    /// Functions that start with code.
    pub compiled: usize,
    /// Loops that start with code.
    pub loops: usize,
    /// Bytes of the objects that were linked.
    pub code_bytes: usize,
    /// What was not taken over.
    pub rejected: Vec<Rejected>,
    /// How long it took.
    pub duration: Duration,
}

impl Imported {
    fn reject(&mut self, what: impl Into<String>, reason: impl ToString) {
        self.rejected.push(Rejected {
            what: what.into(),
            reason: reason.to_string(),
        });
    }
}

/// What the engine did since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    /// Compiles that ended well, of functions and of loops.
    pub compiles: u64,
    /// Of those, functions that had believed code of that tier from an earlier run.
    pub recompiles: u64,
    /// Time of all compiles, in nanoseconds.
    pub compile_ns: u64,
    /// Functions by the tier whose code runs: the interpreter (functions that ran), O0, O1, O2, O3.
    pub tiers: [u64; Tier::ALL.len()],
    /// Bytes of compiled code in memory.
    pub code_bytes: u64,
    /// Units published so far: changes when there is something new to keep.
    pub published: u64,
}

/// What the snapshots of an engine need beside its functions' state.
#[derive(Default)]
pub(crate) struct Memory {
    /// Whether objects are kept.
    pub keeps: std::sync::atomic::AtomicBool,
    pub compiles: std::sync::atomic::AtomicU64,
    pub recompiles: std::sync::atomic::AtomicU64,
    pub compile_ns: std::sync::atomic::AtomicU64,
    /// Hashes computed so far, or believed.
    hashes: std::sync::Mutex<HashMap<String, Hash>>,
    /// Profiles of functions that the program has on other CPUs only.
    foreign: std::sync::Mutex<Vec<KeptFunction>>,
}

impl Memory {
    fn hashes(&self) -> std::sync::MutexGuard<'_, HashMap<String, Hash>> {
        self.hashes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn foreign(&self) -> std::sync::MutexGuard<'_, Vec<KeptFunction>> {
        self.foreign
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Engine {
    /// Keeps the objects of all code compiled from now on, for [`Engine::snapshot`].
    pub fn keep_code(&self) {
        self.shared.memory.keeps.store(true, Relaxed);
    }

    /// Goes on where an earlier run stopped: heat, knowledge and code of functions that did not change. To be called once,
    /// before the program runs.
    pub fn restore(&self, origin: &Origin, left: &Left<'_>) -> Imported {
        let start = Instant::now();
        let mut imported = Imported::default();
        let mut called = Vec::new();
        if let Some(bytes) = left.profile {
            match formats::profile::parse(bytes) {
                Ok(kept) => {
                    self.restore_profile(origin, &kept, &mut imported);
                    let ran = kept.functions.iter().filter(|f| f.calls > 0);
                    let entries = ran.filter_map(|f| self.shared.image.function(&f.name));
                    called.extend(entries.map(|entry| entry.id));
                }
                Err(error) => imported.reject("profile", error),
            }
        }
        if let Some(bytes) = left.code {
            match code::parse(bytes) {
                Ok(set) => self.restore_code(origin, set, &mut imported),
                Err(error) => imported.reject("code", error),
            }
        }
        self.shared.expect(called.into_iter());
        imported.duration = start.elapsed();
        imported
    }

    fn restore_profile(&self, origin: &Origin, kept: &Profile, imported: &mut Imported) {
        let is_same = Hash(kept.source) == origin.source;
        let shared = &self.shared;
        if !is_same {
            let names = kept.functions.iter().map(|f| f.name.clone());
            if let Err(error) = self.hash(names.collect()) {
                return imported.reject("profile", error);
            }
        }
        let hashes = shared.memory.hashes().clone();
        for f in &kept.functions {
            let what = || format!("profile of {}", f.name);
            let Some(entry) = shared.image.function(&f.name) else {
                if is_same {
                    let mut foreign = shared.memory.foreign();
                    foreign.push(f.clone());
                    continue;
                }
                imported.reject(what(), "the program has no such function any more");
                continue;
            };
            if !is_same && hashes.get(&f.name) != Some(&Hash(f.hash)) {
                imported.reject(what(), "its IR changed");
                continue;
            }
            imported.functions += 1;
            if !profile::restore(shared, entry.id, f) {
                imported.heat_only += 1;
            }
        }
    }

    fn restore_code(&self, origin: &Origin, set: CodeSet<'_>, imported: &mut Imported) {
        if set.build != origin.build {
            let (found, now) = (set.build, origin.build);
            let reason = format!("made by LLVM and runtime build {found:016x}, this is {now:016x}");
            return imported.reject("code", reason);
        }
        if set.cpu != origin.cpu {
            let (found, now) = (set.cpu, origin.cpu);
            let reason = format!("made for CPU features {found:016x}, these are {now:016x}");
            return imported.reject("code", reason);
        }
        let is_same = set.program == origin.program;
        if is_same {
            self.shared.memory.hashes().extend(
                set.hashes
                    .iter()
                    .filter(|(_, hash)| **hash != Hash::default())
                    .map(|(name, hash)| (name.clone(), *hash)),
            );
        } else if let Err(error) = self.hash(set.hashes.keys().cloned().collect()) {
            return imported.reject("code", error);
        }
        let now = self.shared.memory.hashes().clone();
        // Not computed is not the same as equal.
        let is_unchanged = |name: &String| {
            let hash = set.hashes.get(name).filter(|h| **h != Hash::default());
            is_same || hash.is_some() && hash == now.get(name)
        };
        for found in set.units {
            let what = match found.header {
                0 => format!("code of {}", found.name),
                header => format!("code of {} from block {header} on", found.name),
            };
            if let Err(reason) = self.restore_unit(found, &set.hashes, &is_unchanged, imported) {
                imported.reject(what, reason);
            }
        }
    }

    fn restore_unit(
        &self,
        found: Found<'_>,
        hashes: &HashMap<String, Hash>,
        is_unchanged: &dyn Fn(&String) -> bool,
        imported: &mut Imported,
    ) -> Result<(), String> {
        let kept = found.kept?;
        let shared = &self.shared;
        let entry = shared.image.function(found.name);
        let entry = entry.ok_or("the program has no such function any more")?;
        if let Some(changed) = kept.members.iter().find(|m| !is_unchanged(m)) {
            return Err(match changed == found.name {
                true => "its IR changed".to_owned(),
                false => format!("the IR of {changed}, which it contains, changed"),
            });
        }
        let hash = |m: &str| hashes.get(m).copied().unwrap_or_default();
        if of_unit(kept.members.iter().map(|m| (m.as_str(), hash(m)))) != found.ir_hash {
            return Err("its IR hash is not that of what it names as its IR".to_owned());
        }
        if shared.function(entry.id).mode() != Mode::Auto {
            return Err("its tier was chosen by hand".to_owned());
        }
        let bytes = kept.object.len();
        shared.adopt(entry.id, found.header, kept);
        imported.code_bytes += bytes;
        match found.header {
            0 => imported.compiled += 1,
            _ => imported.loops += 1,
        }
        Ok(())
    }

    /// Has the compiler's thread do something, and waits for it; at most for `patience`, if there is an end to it.
    fn ask(
        &self,
        work: impl for<'b> FnOnce(&Shared, &mut Builder<'b>) + Send + 'static,
        patience: Option<Duration>,
    ) -> Result<(), Error> {
        let (sender, receiver) = channel();
        let work: Work = Box::new(move |shared, builder| {
            // Whoever asked may have gone.
            work(shared, builder);
            let _ = sender.send(());
        });
        if !self.shared.desk.put(work) {
            return Err(Error::Stopped);
        }
        self.shared.queue.wake();
        match patience.map(|most| receiver.recv_timeout(most)) {
            None => receiver.recv().map_err(|_| Error::Stopped),
            Some(Err(RecvTimeoutError::Disconnected)) => Err(Error::Stopped),
            // It is done later, if it still matters then.
            Some(Ok(()) | Err(RecvTimeoutError::Timeout)) => Ok(()),
        }
    }

    /// Computes the hashes of functions, as far as they are there.
    fn hash(&self, names: Vec<String>) -> Result<(), Error> {
        let work = move |shared: &Shared, builder: &mut Builder<'_>| {
            hash_all(shared, builder, &names, None);
        };
        self.ask(work, None)
    }

    /// What the run leaves for the next one, as of now. `boots` is the number of boots so far. The compiler's thread
    /// computes hashes that are not yet known, between two compiles, for at most `patience`; what has none is believed
    /// only while the whole program is the same. Program threads are not stopped.
    ///
    /// # Errors
    /// [`Error::Stopped`] if hashes are to be computed; [`Error::Snap`] for more code than a set can hold.
    pub fn snapshot(
        &self,
        origin: &Origin,
        boots: u64,
        patience: Duration,
    ) -> Result<Snapshot, Error> {
        let missing = missing(&self.shared);
        if !missing.is_empty() && !patience.is_zero() {
            let deadline = Instant::now().checked_add(patience);
            let work = move |shared: &Shared, builder: &mut Builder<'_>| {
                hash_all(shared, builder, &missing, deadline);
            };
            self.ask(work, Some(patience))?;
        }
        take(&self.shared, origin, boots)
    }

    /// The program as it was prepared, for [`Engine::start_kept`]. `entry` is the symbol that starts it.
    ///
    /// # Errors
    /// There is no memory for it.
    pub fn prepared(&self, entry: &str) -> Result<Vec<u8>, Error> {
        let surveys = self.shared.functions.iter();
        Prepared {
            entry,
            bitcode: &self.bitcode,
            surveys: surveys
                .map(|f| (f.profile.name().to_owned(), f.survey.clone()))
                .collect(),
        }
        .to_bytes()
    }

    /// What was done so far.
    pub fn figures(&self) -> Figures {
        let memory = &self.shared.memory;
        let mut figures = Figures {
            compiles: memory.compiles.load(Relaxed),
            recompiles: memory.recompiles.load(Relaxed),
            compile_ns: memory.compile_ns.load(Relaxed),
            code_bytes: self.shared.image.names().region.code_used() as u64,
            ..Figures::default()
        };
        for (entry, f) in self.shared.image.functions().zip(&self.shared.functions) {
            let tier = f.profile.tier();
            if tier != Tier::Interp || entry.calls() > 0 {
                figures.tiers[tier.index()] += 1;
            }
        }
        figures.published = figures.compiles;
        figures
    }
}

/// Computes the hashes of `names` that are not known, until `deadline`.
fn hash_all(
    shared: &Shared,
    builder: &mut Builder<'_>,
    names: &[String],
    deadline: Option<Instant>,
) {
    for name in names {
        let is_known = shared.memory.hashes().contains_key(name);
        if is_known || shared.image.function(name).is_none() {
            continue;
        }
        if deadline.is_some_and(|d| Instant::now() > d) {
            return;
        }
        // What LLVM cannot print has no hash, and is not believed in another program.
        if let Ok(hash) = of_function(builder.program(), name) {
            shared.memory.hashes().insert(name.clone(), hash);
        }
    }
}

/// Functions that ran or are in a unit, and whose hash is not known.
fn missing(shared: &Shared) -> Vec<String> {
    let mut members: Vec<String> = units(shared)
        .iter()
        .flat_map(|(_, _, kept)| kept.members.iter().cloned())
        .collect();
    let ran = shared.image.functions().filter(|e| e.calls() > 0);
    members.extend(ran.map(|e| e.name().to_owned()));
    members.sort_unstable();
    members.dedup();
    let hashes = shared.memory.hashes();
    members.retain(|name| !hashes.contains_key(name));
    members
}

fn take(shared: &Shared, origin: &Origin, boots: u64) -> Result<Snapshot, Error> {
    let units = units(shared);
    let hashes = shared.memory.hashes().clone();
    let mut functions: Vec<KeptFunction> = shared
        .image
        .functions()
        .filter_map(|e| {
            profile::of(
                shared,
                e.id,
                hashes.get(e.name()).copied().unwrap_or_default(),
            )
        })
        .collect();
    functions.extend(shared.memory.foreign().iter().cloned());
    let counts = (functions.len(), units.len());
    let mut profile = Profile {
        source: origin.source.0,
        functions,
        ..Profile::default()
    };
    Ok(Snapshot {
        profile: formats::profile::encode(&mut profile),
        code: code::encode(origin, boots, &units, &hashes)?,
        functions: counts.0,
        units: counts.1,
    })
}

/// All units that are kept, the fastest code first, then the hottest.
fn units(shared: &Shared) -> Vec<Owned> {
    let mut all = Vec::new();
    for entry in shared.image.functions() {
        let state = shared.function(entry.id).state();
        for (header, kept) in &state.kept {
            let heat = shared.heat(entry.id);
            let owned = (entry.name().to_owned(), *header, Arc::clone(kept));
            all.push((kept.level, heat, owned));
        }
    }
    all.sort_by(|a, b| (b.0, b.1, &a.2.0, a.2.1).cmp(&(a.0, a.1, &b.2.0, b.2.1)));
    all.into_iter().map(|(.., owned)| owned).collect()
}

impl Built {
    /// What is kept of it.
    pub(crate) fn kept(&self, level: crate::Level) -> Kept {
        Kept {
            object: self.object.as_slice().into(),
            symbol: self.symbol.clone(),
            level,
            members: self.members.clone(),
            is_special: self.is_special,
            samples: self.samples,
            assumes: self.assumes.clone(),
        }
    }
}
