//! Open files: the FAT volume, the console, pipes, and a few texts that programs look for.
//!
//! Reads of a file go from the disk into the program's pages: the pages are made present (fresh ones without being
//! zeroed), and the driver gets the range as it is.

use super::errno::Errno;
use super::{Answer, fsinfo, path, pipe, wait_for_input};
use crate::console::{self, Input};
use crate::drivers::wait::{self, Deadline};
use crate::memory::user;
use crate::sched::{self, Wake};
use crate::sync::Mutex;
use crate::trace;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use store::block::BlockDevice;
use store::fat::{self, FatError, Volume};

/// Most open files.
pub const MAX_FILES: usize = 1024;
/// "Relative to the working directory" in place of a directory's number.
pub const AT_FDCWD: i32 = -100;
/// `unlinkat`: a directory is meant.
pub const AT_REMOVEDIR: u32 = 0x200;

const O_ACCMODE: u32 = 3;
const O_WRONLY: u32 = 1;
const O_CREAT: u32 = 0o100;
const O_EXCL: u32 = 0o200;
const O_TRUNC: u32 = 0o1000;
const O_APPEND: u32 = 0o2000;
const O_NONBLOCK: u32 = 0o4000;
const O_DIRECTORY: u32 = 0o200_000;
/// Largest file of a FAT volume.
const LARGEST: u64 = u32::MAX as u64;
/// Most bytes that one read moves (as on Linux).
const MOST: usize = 0x7FFF_F000;

/// The volume of the machine.
pub type Disk = Volume<Box<dyn BlockDevice + Send>>;

static VOLUME: Mutex<Option<Disk>> = Mutex::new(None);
static FILES: Mutex<Vec<Option<Arc<OpenFile>>>> = Mutex::new(Vec::new());

/// What a number stands for.
pub enum Object {
    /// Keyboard, serial port, screen.
    Console,
    /// The serial port alone, for writing.
    Serial,
    /// A file of the volume.
    File(fat::File),
    /// A directory of the volume.
    Directory,
    /// A text made when it was opened.
    Text(Vec<u8>),
    /// `/dev/null`
    Null,
    /// `/dev/zero`
    Zero,
    /// `/dev/urandom`
    Random,
    /// One end of a pipe.
    Pipe(pipe::End),
}

/// An open file, shared by all numbers that were duplicated from one.
pub struct OpenFile {
    pub object: Object,
    pub path: String,
    flags: AtomicU32,
    position: AtomicU64,
    /// Serialises reads and writes that use the position.
    order: Mutex<()>,
}

impl From<FatError> for Errno {
    fn from(error: FatError) -> Self {
        match error {
            FatError::NotFound { .. } => Self::NOENT,
            FatError::AlreadyExists { .. } => Self::EXIST,
            FatError::NotADirectory { .. } => Self::NOTDIR,
            FatError::IsADirectory { .. } => Self::ISDIR,
            FatError::DirectoryNotEmpty { .. } => Self::NOTEMPTY,
            FatError::InvalidMove { .. } | FatError::InvalidName { .. } => Self::INVAL,
            FatError::Open { .. } => Self::ACCES,
            FatError::Full { .. }
            | FatError::NoContiguousRoom { .. }
            | FatError::DirectoryFull { .. } => Self::NOSPC,
            FatError::FileTooLarge { .. } => Self::FBIG,
            FatError::StaleHandle => Self::BADF,
            other => {
                crate::error!("disk: {other}");
                Self::IO
            }
        }
    }
}

/// Hands the volume over and opens standard input, output and error.
pub fn start(volume: Option<Disk>) {
    *VOLUME.lock() = volume;
    let console = Arc::new(OpenFile::new(
        Object::Console,
        String::from("/dev/console"),
        2,
    ));
    let mut files = FILES.lock();
    for _ in 0..3 {
        files.push(Some(console.clone()));
    }
}

/// Uses the volume.
///
/// # Errors
/// NODEV without one; whatever `use_it` gives.
pub fn with_volume<R>(use_it: impl FnOnce(&mut Disk) -> Result<R, FatError>) -> Result<R, Errno> {
    let mut volume = VOLUME.lock();
    use_it(volume.as_mut().ok_or(Errno::NODEV)?).map_err(Errno::from)
}

/// Uses the volume for what has errors of its own; `None` without one.
pub fn with_disk<R>(use_it: impl FnOnce(&mut Disk) -> R) -> Option<R> {
    VOLUME.lock().as_mut().map(use_it)
}

/// As [`with_disk`], unless somebody else uses the volume for more than `ms` milliseconds.
pub fn try_with_disk<R>(ms: u64, use_it: impl FnOnce(&mut Disk) -> R) -> Option<R> {
    let deadline = Deadline::after_ms(ms);
    loop {
        if let Some(mut volume) = VOLUME.try_lock() {
            return volume.as_mut().map(use_it);
        }
        if deadline.is_over() {
            return None;
        }
        wait::relax();
    }
}

/// Writes everything to the disk; at the end of the machine.
pub fn sync_all() {
    if let Err(error) = with_volume(Disk::sync)
        && error != Errno::NODEV
    {
        crate::error!(
            "disk: the volume could not be written back (error {})",
            error.0
        );
    }
}

/// The open file behind a number.
///
/// # Errors
/// BADF.
pub fn get(number: i32) -> Result<Arc<OpenFile>, Errno> {
    let files = FILES.lock();
    let slot = usize::try_from(number)
        .ok()
        .and_then(|number| files.get(number));
    slot.cloned().flatten().ok_or(Errno::BADF)
}

fn install(file: Arc<OpenFile>, least: usize) -> Answer {
    let mut files = FILES.lock();
    let number = (least..files.len())
        .find(|&number| files[number].is_none())
        .unwrap_or(files.len().max(least));
    if number >= MAX_FILES {
        return Err(Errno::MFILE);
    }
    if number >= files.len() {
        let more = number + 1 - files.len();
        files.try_reserve(more).map_err(|_| Errno::NOMEM)?;
        files.resize(number + 1, None);
    }
    files[number] = Some(file);
    Ok(number)
}

impl OpenFile {
    fn new(object: Object, path: String, flags: u32) -> Self {
        let (flags, position) = (AtomicU32::new(flags), AtomicU64::new(0));
        Self {
            object,
            path,
            flags,
            position,
            order: Mutex::new(()),
        }
    }

    /// A file without a number, to ask about.
    pub fn detached(object: Object, path: &str) -> Self {
        Self::new(object, path.into(), 0)
    }

    fn has(&self, flag: u32) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    /// The path, if this is a directory.
    pub fn directory_path(&self) -> Option<String> {
        matches!(self.object, Object::Directory).then(|| self.path.clone())
    }

    /// Place of the next entry of a directory.
    pub fn position(&self) -> &AtomicU64 {
        &self.position
    }

    /// Size in bytes.
    ///
    /// # Errors
    /// Those of the volume.
    pub fn bytes(&self) -> Result<u64, Errno> {
        match &self.object {
            Object::File(file) => with_volume(|volume| volume.file_bytes(file)).map(u64::from),
            Object::Text(text) => Ok(text.len() as u64),
            _ => Ok(0),
        }
    }

    /// Reads at an offset. Gives the number of bytes, 0 at the end.
    ///
    /// # Errors
    /// SPIPE (has no offsets), ISDIR, BADF, FAULT, IO.
    pub fn pread(&self, at: usize, count: usize, offset: u64) -> Answer {
        if self.has(O_WRONLY) {
            return Err(Errno::BADF);
        }
        let count = count.min(MOST);
        match &self.object {
            Object::File(file) => {
                let size = with_volume(|volume| volume.file_bytes(file)).map(u64::from)?;
                let count = count.min(size.saturating_sub(offset) as usize);
                let out = user::bytes_to_fill(at, count)?;
                let read = with_volume(|volume| volume.read_at(file, offset, out))?;
                trace::count(&trace::COUNTERS.bytes_read, read as u64);
                Ok(read)
            }
            Object::Text(text) => {
                let rest = text.get(offset as usize..).unwrap_or_default();
                let count = count.min(rest.len());
                user::bytes_mut(at, count)?.copy_from_slice(&rest[..count]);
                Ok(count)
            }
            Object::Null => Ok(0),
            Object::Zero => {
                user::bytes_mut(at, count)?.fill(0);
                Ok(count)
            }
            Object::Random => super::misc::getrandom(at, count),
            Object::Directory => Err(Errno::ISDIR),
            Object::Console | Object::Serial | Object::Pipe(_) => Err(Errno::SPIPE),
        }
    }

    fn pwrite(&self, at: usize, count: usize, offset: u64) -> Answer {
        if self.flags.load(Ordering::Relaxed) & O_ACCMODE == 0 {
            return Err(Errno::BADF);
        }
        let count = count.min(MOST);
        match &self.object {
            Object::File(file) => {
                if offset.saturating_add(count as u64) > LARGEST {
                    return Err(Errno::FBIG);
                }
                let bytes = user::bytes(at, count)?;
                with_volume(|volume| volume.write_at(file, offset, bytes))?;
                Ok(count)
            }
            Object::Null | Object::Zero => Ok(count),
            Object::Console | Object::Serial | Object::Pipe(_) => Err(Errno::SPIPE),
            _ => Err(Errno::BADF),
        }
    }

    fn read(&self, at: usize, count: usize) -> Answer {
        match &self.object {
            Object::Console => read_console(at, count, !self.has(O_NONBLOCK)),
            Object::Pipe(end) => end.read(at, count, !self.has(O_NONBLOCK)),
            _ => {
                let _order = self.order.lock();
                let position = self.position.load(Ordering::Relaxed);
                let count = self.pread(at, count, position)?;
                self.position
                    .store(position + count as u64, Ordering::Relaxed);
                Ok(count)
            }
        }
    }

    fn write(&self, at: usize, count: usize) -> Answer {
        match &self.object {
            Object::Console => {
                console::write(user::bytes(at, count)?);
                Ok(count)
            }
            Object::Serial => {
                console::write_serial(user::bytes(at, count)?);
                Ok(count)
            }
            Object::Pipe(end) => end.write(at, count, !self.has(O_NONBLOCK)),
            _ => {
                let _order = self.order.lock();
                let position = if self.has(O_APPEND) {
                    self.bytes()?
                } else {
                    self.position.load(Ordering::Relaxed)
                };
                let count = self.pwrite(at, count, position)?;
                self.position
                    .store(position + count as u64, Ordering::Relaxed);
                Ok(count)
            }
        }
    }

    /// Bits of `poll` that hold now.
    fn events(&self) -> i16 {
        const POLLIN: i16 = 1;
        const POLLOUT: i16 = 4;
        match &self.object {
            Object::Console if console::has_input() => POLLIN | POLLOUT,
            Object::Console | Object::Serial => POLLOUT,
            Object::Pipe(end) => (POLLIN | POLLOUT) * i16::from(end.is_ready()),
            _ => POLLIN | POLLOUT,
        }
    }
}

fn read_console(at: usize, count: usize, may_wait: bool) -> Answer {
    if count == 0 {
        return Ok(0);
    }
    loop {
        match console::try_read(user::bytes_mut(at, count)?) {
            Input::Bytes(count) => return Ok(count),
            Input::NotReady if !may_wait => return Err(Errno::AGAIN),
            Input::NotReady => {
                if wait_for_input(sched::NEVER) == Wake::Signal {
                    return Err(Errno::INTR);
                }
            }
            Input::EndOfInput => return Ok(0),
        }
    }
}

pub fn read(number: i32, at: usize, count: usize) -> Answer {
    get(number)?.read(at, count)
}

pub fn write(number: i32, at: usize, count: usize) -> Answer {
    get(number)?.write(at, count)
}

pub fn pread(number: i32, at: usize, count: usize, offset: u64) -> Answer {
    get(number)?.pread(at, count, offset)
}

pub fn pwrite(number: i32, at: usize, count: usize, offset: u64) -> Answer {
    get(number)?.pwrite(at, count, offset)
}

/// Runs `step(address, bytes, bytes before)` over an array of `struct iovec`, until one is not served in full.
fn vectored(at: usize, count: usize, mut step: impl FnMut(usize, usize, u64) -> Answer) -> Answer {
    const IOV_MAX: usize = 1024;
    if count > IOV_MAX {
        return Err(Errno::INVAL);
    }
    let mut done = 0;
    for index in 0..count {
        let [start, bytes] = user::read::<[usize; 2]>(at + index * 16)?;
        if bytes == 0 {
            continue;
        }
        match step(start, bytes, done as u64) {
            Ok(part) => {
                done += part;
                if part < bytes {
                    break;
                }
            }
            Err(_) if done > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

pub fn readv(number: i32, at: usize, count: usize, offset: Option<u64>) -> Answer {
    let file = get(number)?;
    let mut first = true;
    vectored(at, count, |start, bytes, before| match offset {
        Some(offset) => file.pread(start, bytes, offset + before),
        // Further buffers take what is there, but do not wait for more.
        None if !core::mem::take(&mut first)
            && matches!(file.object, Object::Console | Object::Pipe(_)) =>
        {
            Ok(0)
        }
        None => file.read(start, bytes),
    })
}

pub fn writev(number: i32, at: usize, count: usize, offset: Option<u64>) -> Answer {
    let file = get(number)?;
    vectored(at, count, |start, bytes, before| match offset {
        Some(offset) => file.pwrite(start, bytes, offset + before),
        None => file.write(start, bytes),
    })
}

pub fn open(directory: i32, at: usize, flags: u32) -> Answer {
    let path = path::resolve(directory, at)?;
    let object = match fsinfo::special(&path) {
        Some(object) => object,
        None => open_on_volume(&path, flags)?,
    };
    install(Arc::new(OpenFile::new(object, path, flags)), 0)
}

fn open_on_volume(path: &str, flags: u32) -> Result<Object, Errno> {
    let writes = flags & O_ACCMODE != 0;
    with_volume(|volume| {
        let file = match volume.metadata(path) {
            Ok(found) if found.is_directory => {
                let error = || FatError::IsADirectory { path: path.into() };
                return if writes || flags & O_CREAT != 0 {
                    Err(error())
                } else {
                    Ok(Object::Directory)
                };
            }
            Ok(_) if flags & (O_CREAT | O_EXCL) == O_CREAT | O_EXCL => {
                return Err(FatError::AlreadyExists { path: path.into() });
            }
            Ok(_) if flags & O_DIRECTORY != 0 => {
                return Err(FatError::NotADirectory { path: path.into() });
            }
            Ok(_) => volume.open(path)?,
            Err(FatError::NotFound { .. }) if flags & O_CREAT != 0 => {
                set_time(volume);
                volume.create(path)?
            }
            Err(error) => return Err(error),
        };
        if flags & O_TRUNC != 0 && writes {
            volume.truncate(&file, 0)?;
        }
        Ok(Object::File(file))
    })
}

fn set_time(volume: &mut Disk) {
    volume.set_time(fat::DosTime::from_unix(
        crate::time::wall_ns() / 1_000_000_000,
    ));
}

pub fn close(number: i32) -> Answer {
    let mut files = FILES.lock();
    let slot = usize::try_from(number)
        .ok()
        .and_then(|number| files.get_mut(number));
    let closed = slot.and_then(Option::take);
    drop(files);
    closed.map(|_| 0).ok_or(Errno::BADF)
}

pub fn dup(number: i32, least: usize) -> Answer {
    install(get(number)?, least)
}

pub fn dup_to(from: i32, to: i32) -> Answer {
    let file = get(from)?;
    let number = usize::try_from(to)
        .ok()
        .filter(|&number| number < MAX_FILES)
        .ok_or(Errno::BADF)?;
    let mut files = FILES.lock();
    if number >= files.len() {
        files.resize(number + 1, None);
    }
    let before = files[number].replace(file);
    drop(files);
    drop(before);
    Ok(number)
}

pub fn seek(number: i32, offset: i64, whence: i32) -> Answer {
    let file = get(number)?;
    if matches!(
        file.object,
        Object::Console | Object::Serial | Object::Pipe(_)
    ) {
        return Err(Errno::SPIPE);
    }
    let base = match whence {
        0 => 0,
        1 => file.position.load(Ordering::Relaxed),
        2 => file.bytes()?,
        _ => return Err(Errno::INVAL),
    };
    let position = base
        .checked_add_signed(offset)
        .filter(|&position| position <= i64::MAX as u64);
    let position = position.ok_or(Errno::INVAL)?;
    file.position.store(position, Ordering::Relaxed);
    Ok(position as usize)
}

pub fn fcntl(number: i32, command: i32, argument: usize) -> Answer {
    let file = get(number)?;
    match command {
        0 | 1030 => dup(number, argument),
        1 | 2 => Ok(0), // FD_CLOEXEC: nothing is ever executed
        3 => Ok(file.flags.load(Ordering::Relaxed) as usize),
        4 => {
            let settable = O_APPEND | O_NONBLOCK;
            let kept = file.flags.load(Ordering::Relaxed) & !settable;
            file.flags
                .store(kept | argument as u32 & settable, Ordering::Relaxed);
            Ok(0)
        }
        5..=7 => Ok(0), // locks: nobody else is there
        _ => Err(Errno::INVAL),
    }
}

pub fn ioctl(number: i32, request: u32, at: usize) -> Answer {
    const TCGETS: u32 = 0x5401;
    const TCSETSF: u32 = 0x5404;
    const TIOCGWINSZ: u32 = 0x5413;
    const FIONREAD: u32 = 0x541B;
    const ISIG: u32 = 1;
    const ICANON: u32 = 2;
    const ECHO: u32 = 8;
    if !matches!(get(number)?.object, Object::Console) {
        return Err(Errno::NOTTY);
    }
    match request {
        TCGETS => {
            // struct termios: iflag, oflag, cflag, lflag, line, cc[19]; ICRNL, OPOST | ONLCR, CS8 | CREAD | B38400.
            let mode = *MODE.lock();
            let mut local = 0;
            for (set, flag) in [
                (mode.signals, ISIG),
                (mode.canonical, ICANON),
                (mode.echo, ECHO),
            ] {
                local |= if set { flag } else { 0 };
            }
            let words = [0x100u32, 5, 0xBF, local, 0, 0, 0, 0, 0];
            user::write(at, words)?;
            Ok(0)
        }
        0x5402..=TCSETSF => {
            let local = user::read::<[u32; 4]>(at)?[3];
            let mode = console::Mode {
                canonical: local & ICANON != 0,
                echo: local & ECHO != 0,
                signals: local & ISIG != 0,
            };
            *MODE.lock() = mode;
            console::set_mode(mode);
            Ok(0)
        }
        TIOCGWINSZ => user::write(at, [25u16, 80, 0, 0]).map(|()| 0),
        FIONREAD => user::write(at, i32::from(console::has_input())).map(|()| 0),
        _ => Err(Errno::NOTTY),
    }
}

static MODE: Mutex<console::Mode> = Mutex::new(console::Mode::LINES);

/// `poll`: an array of `struct pollfd` (number, wanted, found).
pub fn poll(at: usize, count: usize, deadline: u64) -> Answer {
    const POLLNVAL: i16 = 0x20;
    if count > MAX_FILES {
        return Err(Errno::INVAL);
    }
    loop {
        let mut ready = 0;
        for index in 0..count {
            let entry = at + index * 8;
            let number = user::read::<i32>(entry)?;
            let wanted = user::read::<u16>(entry + 4)? as i16;
            let found = match get(number) {
                _ if number < 0 => 0,
                Ok(file) => file.events() & wanted,
                Err(_) => POLLNVAL,
            };
            user::write(entry + 6, found as u16)?;
            ready += usize::from(found != 0);
        }
        if ready > 0 || deadline <= crate::cpu::rdtsc() {
            return Ok(ready);
        }
        // Pipes and the console wake through different keys: look again every 10 ms.
        let next = crate::time::deadline(crate::time::now_ns() + 10_000_000).min(deadline);
        if wait_for_input(next) == Wake::Signal {
            return Err(Errno::INTR);
        }
    }
}

pub fn pipe(at: usize, flags: u32) -> Answer {
    let (read, write) = pipe::new();
    let first = install(
        Arc::new(OpenFile::new(Object::Pipe(read), String::new(), flags)),
        0,
    )?;
    let second = install(
        Arc::new(OpenFile::new(
            Object::Pipe(write),
            String::new(),
            flags | O_WRONLY,
        )),
        0,
    );
    let second = second.inspect_err(|_| {
        let _ = close(first as i32);
    })?;
    user::write(at, [first as i32, second as i32]).map(|()| 0)
}

pub fn fsync(number: i32) -> Answer {
    match get(number)?.object {
        Object::File(_) | Object::Directory => sync(),
        _ => Err(Errno::INVAL),
    }
}

pub fn sync() -> Answer {
    with_volume(Disk::sync).map(|()| 0)
}

pub fn ftruncate(number: i32, bytes: u64) -> Answer {
    match &get(number)?.object {
        Object::File(file) => with_volume(|volume| volume.truncate(file, bytes)).map(|()| 0),
        _ => Err(Errno::INVAL),
    }
}

pub fn truncate(at: usize, bytes: u64) -> Answer {
    let path = path::resolve(AT_FDCWD, at)?;
    with_volume(|volume| {
        let file = volume.open(&path)?;
        volume.truncate(&file, bytes)
    })
    .map(|()| 0)
}

pub fn mkdir(directory: i32, at: usize) -> Answer {
    let path = path::resolve(directory, at)?;
    with_volume(|volume| {
        set_time(volume);
        volume.create_dir(&path)
    })
    .map(|()| 0)
}

pub fn unlink(directory: i32, at: usize, flags: u32) -> Answer {
    let path = path::resolve(directory, at)?;
    with_volume(|volume| {
        let is_directory = volume.metadata(&path)?.is_directory;
        match (is_directory, flags & AT_REMOVEDIR != 0) {
            (true, false) => Err(FatError::IsADirectory { path: path.clone() }),
            (false, true) => Err(FatError::NotADirectory { path: path.clone() }),
            _ => volume.remove(&path),
        }
    })
    .map(|()| 0)
}

pub fn rename(
    from_directory: i32,
    from: usize,
    to_directory: i32,
    to: usize,
    flags: u32,
) -> Answer {
    const NOREPLACE: u32 = 1;
    let from = path::resolve(from_directory, from)?;
    let to = path::resolve(to_directory, to)?;
    if flags & !NOREPLACE != 0 {
        return Err(Errno::INVAL);
    }
    with_volume(|volume| {
        if flags & NOREPLACE != 0 || volume.metadata(&to).is_err() {
            volume.rename(&from, &to)
        } else {
            volume.replace(&from, &to)
        }
    })
    .map(|()| 0)
}
