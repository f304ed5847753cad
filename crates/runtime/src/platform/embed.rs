//! Engines of the guest's own: the second part of `jit_runtime.h`.
//!
//! Engines and modules are numbers to the guest, so one that is gone is found out. A call that fails leaves the reason with its
//! thread ([`jit_last_error`]).
//!
//! Bitcode is read on a thread of its own: it may come from anywhere, and LLVM's reader fails on what was made to make it fail. A
//! fault there ends that thread ([`end_if_loading`]) and with it the load, not the program; what it held is lost.
//!
//! SAFETY of this file: names are strings with a NUL at their end, and other pointers lead to as many bytes as the header says;
//! a program that passes others breaks its own memory.

use super::{api, call, jit};
use crate::files::Errno;
use engine::embed::{self, Host, Instance};
use engine::interp::Resolve;
use engine::introspection;
use engine::profile::CyclesReport;
use engine::{Cpu, Level};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// `JIT_BY_HEAT`
const BY_HEAT: c_int = -3;
/// `JIT_ERROR_*`, negated.
const NOT_FOUND: i64 = 2;
const COMPILE: i64 = 5;
const MODULE: i64 = 8;
const HANDLE: i64 = 9;
const LIMIT: i64 = 12;
const IN_USE: i64 = 16;
const EXISTS: i64 = 17;
const ARGUMENT: i64 = 22;

/// Stack of the thread that reads bitcode: LLVM recurses over expressions.
const LOADER_STACK: usize = 4 << 20;
/// Stack of the handler of its faults.
const HANDLER_STACK: usize = 64 << 10;
/// How often whoever waits for it looks whether it still lives.
const GLANCE: Duration = Duration::from_millis(5);

/// `jit_function_info`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct FunctionInfo {
    address: *mut c_void,
    module: i64,
    level: i32,
    keeps_level: i32,
    calls: u64,
    avg_cycles: u64,
    recorded_calls: u64,
    recorded_cycles: u64,
    code_bytes: u64,
    instructions: u64,
}

/// `jit_statistics`
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Statistics {
    modules: u64,
    functions: u64,
    interpreted: u64,
    at_level: [u64; 4],
    compiles: u64,
    compile_ns: u64,
    recorded_calls: u64,
    used_bytes: u64,
    most_bytes: u64,
    limit_bytes: u64,
    code_bytes: u64,
}

/// Why a call failed: its answer and what `jit_last_error` tells.
struct Failure {
    code: i64,
    message: String,
}

impl From<embed::Error> for Failure {
    fn from(error: embed::Error) -> Self {
        use embed::Error::*;
        let code = match error {
            NoModule { .. } | Module(_) => MODULE,
            Limit { .. } => LIMIT,
            Duplicate { .. } | Defined { .. } => EXISTS,
            UnknownModule { .. } => HANDLE,
            InUse { .. } => IN_USE,
            UnknownFunction { .. } => NOT_FOUND,
            Compile { .. } => COMPILE,
        };
        let message = error.to_string();
        Failure { code, message }
    }
}

fn failure<T>(code: i64, message: String) -> Result<T, Failure> {
    Err(Failure { code, message })
}

/// An engine of the guest's.
struct Embedded {
    instance: Instance,
    /// Held while a module is loaded: one at a time, since each may use the ones before.
    loading: Mutex<()>,
}

static HOST: OnceLock<Host> = OnceLock::new();
static ENGINES: Mutex<BTreeMap<i64, Arc<Embedded>>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicI64 = AtomicI64::new(1);

thread_local! {
    /// What the last failure of this thread was.
    static LAST: RefCell<CString> = RefCell::new(CString::default());
    /// Where to tell that this thread, which reads bitcode, is at its end; null on others.
    static LOADER: Cell<*const AtomicBool> = const { Cell::new(ptr::null()) };
}

/// Says what engines compile for; once, before the program starts.
pub fn install(cpu: Cpu, features: u64) {
    let addresses: HashMap<&str, usize> =
        api::symbols().iter().map(|s| (s.name, s.address)).collect();
    let own = move |name: &str| addresses.get(name).copied();
    let resolve: Resolve = Arc::new(move |name| own(name).or_else(|| engine::tier::service(name)));
    llvm::on_fatal(end_with_reason);
    // The only call: there is one program.
    let _ = HOST.set(Host {
        cpu,
        features,
        resolve,
        reclaimer: call::reclaimer().clone(),
    });
}

fn engines() -> MutexGuard<'static, BTreeMap<i64, Arc<Embedded>>> {
    ENGINES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn find(engine: i64) -> Result<Arc<Embedded>, Failure> {
    match engines().get(&engine) {
        Some(found) => Ok(found.clone()),
        None => failure(
            HANDLE,
            format!("there is no engine {engine}: it was destroyed, or never created"),
        ),
    }
}

/// What the guest gets: the value, or the code of the failure, whose reason is kept.
fn answer(result: Result<i64, Failure>) -> i64 {
    result.unwrap_or_else(|failure| {
        let text = failure.message.replace('\0', " ");
        LAST.set(CString::new(text).unwrap_or_default());
        -failure.code
    })
}

fn short(result: Result<i64, Failure>) -> c_int {
    c_int::try_from(answer(result)).unwrap_or(c_int::MAX)
}

/// A name of the guest's.
///
/// # Safety
/// As said at the head of the file.
unsafe fn name<'a>(name: *const c_char, what: &str) -> Result<&'a str, Failure> {
    if name.is_null() {
        return failure(ARGUMENT, format!("the {what} is a null pointer"));
    }
    // SAFETY: as the caller promised.
    match unsafe { CStr::from_ptr(name) }.to_str() {
        Ok(name) => Ok(name),
        Err(_) => failure(ARGUMENT, format!("the {what} is not UTF-8")),
    }
}

/// A place the guest gave for an answer.
///
/// # Safety
/// As said at the head of the file.
unsafe fn write<T>(to: *mut T, value: T) -> Result<i64, Failure> {
    if to.is_null() {
        return failure(
            ARGUMENT,
            "the place for the answer is a null pointer".into(),
        );
    }
    // SAFETY: as the caller promised.
    unsafe { to.write(value) };
    Ok(0)
}

fn create(limit: usize) -> Result<i64, Failure> {
    let Some(host) = HOST.get() else {
        return failure(ARGUMENT, "the program has not started yet".into());
    };
    if limit < embed::LEAST_LIMIT {
        return failure(
            ARGUMENT,
            format!(
                "an engine needs at least {} bytes, not {limit}",
                embed::LEAST_LIMIT
            ),
        );
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let engine = Embedded {
        instance: Instance::new(host.clone(), limit, jit::thresholds()),
        loading: Mutex::new(()),
    };
    engines().insert(number, Arc::new(engine));
    Ok(number)
}

pub extern "C" fn jit_create(limit: usize) -> i64 {
    answer(create(limit))
}

pub extern "C" fn jit_destroy(engine: i64) -> c_int {
    short(find(engine).map(|_| {
        // Dropped without the lock: compilers are waited for.
        let gone = engines().remove(&engine);
        drop(gone);
        0
    }))
}

/// Reads a module where a fault does no harm.
fn load(engine: &Arc<Embedded>, name: &str, bytes: Vec<u8>) -> Result<i64, Failure> {
    let _turn = engine
        .loading
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let ended = Arc::new(AtomicBool::new(false));
    let (send, receive) = sync_channel(1);
    let (dead, module) = (ended.clone(), name.to_owned());
    // SAFETY: this call holds the engine, and returns when the thread has sent its result, the last it does with the engine, or
    // has ended. A thread that ends by a fault must not hold the engine: it would keep it for ever.
    let instance: &'static Instance = unsafe { &*ptr::from_ref(&engine.instance) };
    let thread = std::thread::Builder::new()
        .name("loader".into())
        .stack_size(LOADER_STACK)
        .spawn(move || {
            LOADER.set(Arc::as_ptr(&dead));
            let result = with_handler_stack(|| instance.load(&module, &bytes));
            LOADER.set(ptr::null());
            // Whoever waits is there until this comes.
            let _ = send.send(result);
        });
    if let Err(error) = thread {
        return failure(
            LIMIT,
            format!("module {name}: no thread to read it: {error}"),
        );
    }
    loop {
        call::poll();
        match receive.recv_timeout(GLANCE) {
            Ok(result) => return Ok(result?),
            Err(RecvTimeoutError::Timeout) if !ended.load(Ordering::Acquire) => {}
            Err(_) => {
                return failure(
                    MODULE,
                    format!(
                        "module {name}: LLVM failed on it: it is damaged, or made by another version of LLVM"
                    ),
                );
            }
        }
    }
}

/// A handler of signals.
type Handler = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);

/// Ends this thread if it reads bitcode for the guest: after a fault, from which nothing leads back into LLVM. Its stack, its locks
/// and its memory stay as they are. To be called first by the handler of faults, which is there for the next one, too.
pub fn end_if_loading(signal: c_int, handler: Handler) {
    if LOADER.get().is_null() {
        return;
    }
    // SAFETY: a zeroed sigaction is valid; async-signal-safe.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, ptr::null(), &raw mut action);
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_RESETHAND;
        libc::sigaction(signal, &raw const action, ptr::null_mut());
    }
    end_loader();
}

/// Ends this thread if it reads bitcode.
fn end_loader() {
    let loader = LOADER.get();
    if loader.is_null() {
        return;
    }
    // SAFETY: the flag belongs to the closure of this thread, which is never left from here on.
    unsafe { &*loader }.store(true, Ordering::Release);
    loop {
        // SAFETY: ends this thread only; nobody joins it.
        unsafe { libc::syscall(libc::SYS_exit, 0) };
    }
}

/// Gives this thread a stack for handlers of faults, which may come of a stack that overflows, and takes it back when `work` is done.
fn with_handler_stack<R>(work: impl FnOnce() -> R) -> R {
    let mut memory = vec![0_u8; HANDLER_STACK];
    let stack = libc::stack_t {
        ss_sp: memory.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: HANDLER_STACK,
    };
    // SAFETY: a zeroed place for what was there before; the memory outlives its use.
    unsafe {
        let mut before: libc::stack_t = std::mem::zeroed();
        libc::sigaltstack(&raw const stack, &raw mut before);
        let result = work();
        libc::sigaltstack(&raw const before, ptr::null_mut());
        drop(memory);
        result
    }
}

fn end_with_reason(_reason: &CStr) {
    end_loader();
}

pub unsafe extern "C" fn jit_load_bitcode(
    engine: i64,
    module: *const c_char,
    bytes: *const u8,
    length: usize,
) -> i64 {
    // SAFETY: see the head of the file.
    answer(find(engine).and_then(|engine| unsafe {
        let module = name(module, "module's name")?;
        if bytes.is_null() {
            return failure(
                ARGUMENT,
                format!("module {module}: its bytes are a null pointer"),
            );
        }
        let statistics = engine.instance.statistics();
        let free = statistics.limit_bytes - statistics.used_bytes.min(statistics.limit_bytes);
        if length > free {
            return failure(LIMIT, too_large(module, length as u64, free));
        }
        load(
            &engine,
            module,
            std::slice::from_raw_parts(bytes, length).to_vec(),
        )
    }))
}

fn too_large(module: &str, bytes: u64, free: usize) -> String {
    format!(
        "the limit of the engine's memory is reached: module {module} has {bytes} bytes, {free} are free"
    )
}

/// What files say, in words.
fn file_failure(path: &str, errno: Errno) -> Failure {
    Failure {
        code: errno as i64,
        message: format!("{path} cannot be read: {errno:?}"),
    }
}

fn load_file(engine: &Arc<Embedded>, path: &str) -> Result<i64, Failure> {
    let files = api::files();
    let of = |errno| file_failure(path, errno);
    let file = i64::from(files.open(path).map_err(of)?);
    let content = (|| {
        let size = files.size(file).map_err(of)?;
        let statistics = engine.instance.statistics();
        let free = statistics.limit_bytes - statistics.used_bytes.min(statistics.limit_bytes);
        if size > free as u64 {
            return failure(LIMIT, too_large(path, size, free));
        }
        let mut content = vec![0; size as usize];
        let mut at = 0;
        while at < content.len() {
            match files
                .read_at(file, at as u64, &mut content[at..])
                .map_err(of)?
            {
                0 => break,
                n => at += n,
            }
        }
        content.truncate(at);
        Ok(content)
    })();
    // It was open.
    let _ = files.close(file);
    load(engine, path, content?)
}

pub unsafe extern "C" fn jit_load_file(engine: i64, path: *const c_char) -> i64 {
    // SAFETY: see the head of the file.
    answer(find(engine).and_then(|engine| load_file(&engine, unsafe { name(path, "path")? })))
}

pub extern "C" fn jit_unload(engine: i64, module: i64) -> c_int {
    short(find(engine).and_then(|engine| {
        engine.instance.unload(module)?;
        Ok(0)
    }))
}

pub unsafe extern "C" fn jit_define_symbol(
    engine: i64,
    symbol: *const c_char,
    address: *const c_void,
) -> c_int {
    // SAFETY: see the head of the file.
    short(find(engine).and_then(|engine| unsafe {
        let symbol = name(symbol, "symbol")?;
        if address.is_null() {
            return failure(
                ARGUMENT,
                format!("the address of {symbol} is a null pointer"),
            );
        }
        engine.instance.define(symbol, address.addr())?;
        Ok(0)
    }))
}

/// A function of an engine's.
///
/// # Safety
/// As said at the head of the file.
unsafe fn function<'a>(
    engine: i64,
    function: *const c_char,
) -> Result<(Arc<Embedded>, &'a str), Failure> {
    let engine = find(engine)?;
    // SAFETY: as the caller promised.
    Ok((engine, unsafe { name(function, "function's name")? }))
}

pub unsafe extern "C" fn jit_find_function(engine: i64, name: *const c_char) -> *mut c_void {
    // SAFETY: see the head of the file.
    let found = unsafe { function(engine, name) }
        .and_then(|(engine, name)| Ok(engine.instance.find(name)?));
    match found {
        Ok(address) => ptr::with_exposed_provenance_mut(address),
        Err(failure) => {
            answer(Err(failure));
            ptr::null_mut()
        }
    }
}

pub unsafe extern "C" fn jit_recompile(engine: i64, name: *const c_char, level: c_int) -> c_int {
    // SAFETY: see the head of the file.
    let found = unsafe { function(engine, name) };
    short(found.and_then(|(engine, name)| {
        let level = match usize::try_from(level).ok().and_then(|l| Level::ALL.get(l)) {
            Some(level) => Some(*level),
            None if level == BY_HEAT => None,
            None => {
                return failure(
                    ARGUMENT,
                    format!("{level} is no level: 0 to 3, or JIT_BY_HEAT ({BY_HEAT})"),
                );
            }
        };
        engine.instance.recompile(name, level)?;
        Ok(0)
    }))
}

pub unsafe extern "C" fn jit_get_function_info(
    engine: i64,
    name: *const c_char,
    out: *mut FunctionInfo,
) -> c_int {
    // SAFETY: see the head of the file.
    let found = unsafe { function(engine, name) };
    short(found.and_then(|(engine, name)| {
        let info = engine.instance.info(name)?;
        let (recorded_calls, recorded_cycles) =
            info.recorded.map_or((0, 0), |r| (r.samples, r.total));
        let info = FunctionInfo {
            address: ptr::with_exposed_provenance_mut(info.address),
            module: info.module,
            level: introspection::level_number(info.level),
            keeps_level: info.is_pinned.into(),
            calls: info.calls,
            avg_cycles: info.cycles.map_or(0, |c: CyclesReport| c.average()),
            recorded_calls,
            recorded_cycles,
            code_bytes: info.code_bytes as u64,
            instructions: info.instructions as u64,
        };
        // SAFETY: see the head of the file.
        unsafe { write(out, info) }
    }))
}

pub unsafe extern "C" fn jit_list_functions(engine: i64, out: *mut c_char, size: usize) -> i64 {
    answer(find(engine).map(|engine| {
        let mut needed = 0;
        for name in engine.instance.names() {
            let end = needed + name.len() + 1;
            if end <= size {
                // SAFETY: the guest gave `size` writable bytes, and the name with its NUL ends within them.
                unsafe {
                    let to = out.cast::<u8>().add(needed);
                    to.copy_from_nonoverlapping(name.as_ptr(), name.len());
                    to.add(name.len()).write(0);
                }
            }
            needed = end;
        }
        needed as i64
    }))
}

pub unsafe extern "C" fn jit_record_call(engine: i64, name: *const c_char, cycles: u64) -> c_int {
    // SAFETY: see the head of the file.
    let found = unsafe { function(engine, name) };
    short(found.and_then(|(engine, name)| {
        engine.instance.record(name, cycles)?;
        Ok(0)
    }))
}

pub extern "C" fn jit_auto_optimize(engine: i64) -> c_int {
    short(find(engine).and_then(|engine| Ok(engine.instance.optimise()? as i64)))
}

pub unsafe extern "C" fn jit_should_reoptimize(engine: i64, name: *const c_char) -> c_int {
    // SAFETY: see the head of the file.
    let found = unsafe { function(engine, name) };
    short(found.and_then(|(engine, name)| Ok(engine.instance.should_reoptimise(name)?.into())))
}

pub unsafe extern "C" fn jit_get_statistics(engine: i64, out: *mut Statistics) -> c_int {
    short(find(engine).and_then(|engine| {
        let s = engine.instance.statistics();
        let [interpreted, at_level @ ..] = s.at_level.map(|n| n as u64);
        let statistics = Statistics {
            modules: s.modules as u64,
            functions: s.functions as u64,
            interpreted,
            at_level,
            compiles: s.compiles,
            compile_ns: s.compile_ns,
            recorded_calls: s.recorded_calls,
            used_bytes: s.used_bytes as u64,
            most_bytes: s.most_bytes as u64,
            limit_bytes: s.limit_bytes as u64,
            code_bytes: s.code_bytes as u64,
        };
        // SAFETY: see the head of the file.
        unsafe { write(out, statistics) }
    }))
}

/// The text stays until the next failure on this thread.
pub extern "C" fn jit_last_error() -> *const c_char {
    LAST.with_borrow(|text| text.as_ptr())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn guests_read_what_is_written() {
        use guest::jit::{FunctionInfo as TheirInfo, Statistics as Theirs};
        assert_eq!(size_of::<FunctionInfo>(), size_of::<TheirInfo>());
        assert_eq!(size_of::<Statistics>(), size_of::<Theirs>());
        macro_rules! same {
            ($ours:ty, $theirs:ty: $($field:ident)*) => {
                $(assert_eq!(offset_of!($ours, $field), offset_of!($theirs, $field), stringify!($field));)*
            };
        }
        same!(FunctionInfo, TheirInfo: address module level keeps_level calls avg_cycles recorded_calls recorded_cycles
            code_bytes instructions);
        same!(Statistics, Theirs: modules functions interpreted at_level compiles compile_ns recorded_calls used_bytes
            most_bytes limit_bytes code_bytes);
    }
}
