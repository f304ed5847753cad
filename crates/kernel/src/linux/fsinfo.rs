//! What files are: stat and its kin, directories, and the texts under `/proc`, `/sys` and `/dev`.

use super::errno::Errno;
use super::file::{self, AT_FDCWD, Object, with_volume};
use super::{Answer, path};
use crate::cpu::percpu;
use crate::memory::space::{self, Prot, Use};
use crate::memory::{PAGE, frames, user};
use alloc::format;
use alloc::string::String;

const AT_EMPTY_PATH: u32 = 0x1000;
const S_IFCHR: u32 = 0o020_000;
const S_IFDIR: u32 = 0o040_000;
const S_IFREG: u32 = 0o100_000;
const S_IFIFO: u32 = 0o010_000;
const BLOCK: u64 = 512;

/// What stat tells.
struct Facts {
    mode: u32,
    bytes: u64,
    inode: u64,
    device: u64, // of a character device
}

/// A number for a path: FAT has no inodes. FNV-1a.
fn inode(path: &str) -> u64 {
    path.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01B3)
    })
}

/// The object behind a path that is not on the volume.
pub fn special(path: &str) -> Option<Object> {
    Some(match path {
        "/dev/null" => Object::Null,
        "/dev/zero" => Object::Zero,
        "/dev/random" | "/dev/urandom" => Object::Random,
        "/dev/tty" | "/dev/console" | "/dev/stdin" | "/dev/stdout" | "/dev/stderr" => {
            Object::Console
        }
        "/dev/ttyS0" => Object::Serial,
        "/proc/self/maps" => Object::Text(maps().into_bytes()),
        "/proc/meminfo" => Object::Text(meminfo().into_bytes()),
        "/sys/devices/system/cpu/online" | "/sys/devices/system/cpu/possible" => {
            let last = percpu::count() - 1;
            let text = if last == 0 {
                String::from("0\n")
            } else {
                format!("0-{last}\n")
            };
            Object::Text(text.into_bytes())
        }
        _ => return None,
    })
}

/// `/proc/self/maps`: glibc looks for the bounds of the main stack there.
fn maps() -> String {
    let mut areas = alloc::vec::Vec::new();
    space::for_each_area(|start, end, prot, usage| areas.push((start, end, prot, usage)));
    let mut text = String::new();
    for (start, end, prot, usage) in areas {
        let flag = |wanted, letter| if prot.contains(wanted) { letter } else { '-' };
        let (r, w, x) = (
            flag(Prot::READ, 'r'),
            flag(Prot::WRITE, 'w'),
            flag(Prot::EXEC, 'x'),
        );
        let main = usage == Use::Stack && end == crate::loader::STACK_TOP;
        let name = if main {
            "                          [stack]"
        } else {
            ""
        };
        text += &format!("{start:08x}-{end:08x} {r}{w}{x}p 00000000 00:00 0{name}\n");
    }
    text
}

fn meminfo() -> String {
    let (free, total) = frames::counts();
    let (committed, limit) = space::committed();
    let (free, total) = (free * PAGE / 1024, total * PAGE / 1024);
    format!(
        "MemTotal: {total} kB\nMemFree: {free} kB\nMemAvailable: {free} kB\nCommitLimit: {} kB\nCommitted_AS: {} kB\n",
        limit / 1024,
        committed / 1024
    )
}

fn facts_of_open(file: &file::OpenFile) -> Result<Facts, Errno> {
    let device = |major: u64, minor: u64| major << 8 | minor;
    let (mode, number) = match &file.object {
        Object::File(_) => (S_IFREG | 0o755, 0),
        Object::Text(_) => (S_IFREG | 0o444, 0),
        Object::Directory => (S_IFDIR | 0o755, 0),
        Object::Pipe(_) => (S_IFIFO | 0o600, 0),
        Object::Console => (S_IFCHR | 0o620, device(5, 1)),
        Object::Serial => (S_IFCHR | 0o620, device(4, 64)),
        Object::Null => (S_IFCHR | 0o666, device(1, 3)),
        Object::Zero => (S_IFCHR | 0o666, device(1, 5)),
        Object::Random => (S_IFCHR | 0o666, device(1, 9)),
    };
    Ok(Facts {
        mode,
        bytes: file.bytes()?,
        inode: inode(&file.path),
        device: number,
    })
}

fn facts_at(directory: i32, at: usize, flags: u32) -> Result<Facts, Errno> {
    if flags & AT_EMPTY_PATH != 0 && (at == 0 || user::read::<u8>(at)? == 0) {
        if directory != AT_FDCWD {
            return facts_of_open(&*file::get(directory)?);
        }
        return facts_of_path("/");
    }
    facts_of_path(&path::resolve(directory, at)?)
}

fn facts_of_path(path: &str) -> Result<Facts, Errno> {
    if let Some(object) = special(path) {
        return facts_of_open(&file::OpenFile::detached(object, path));
    }
    if path == "/" {
        return Ok(Facts {
            mode: S_IFDIR | 0o755,
            bytes: 0,
            inode: 1,
            device: 0,
        });
    }
    let found = with_volume(|volume| volume.metadata(path))?;
    let mode = if found.is_directory {
        S_IFDIR | 0o755
    } else {
        S_IFREG | 0o755
    };
    Ok(Facts {
        mode,
        bytes: found.bytes.into(),
        inode: inode(path),
        device: 0,
    })
}

/// Writes `struct stat`: dev, ino, nlink, mode and uid, gid and pad, rdev, size, blksize, blocks, three times.
fn write_stat(at: usize, facts: &Facts) -> Answer {
    let mut stat = [0u64; 18];
    stat[0] = 1;
    stat[1] = facts.inode;
    stat[2] = 1;
    stat[3] = facts.mode.into();
    stat[5] = facts.device;
    stat[6] = facts.bytes;
    stat[7] = PAGE as u64;
    stat[8] = facts.bytes.div_ceil(BLOCK);
    for time in [9, 11, 13] {
        stat[time] = crate::time::wall_at_entry_ns() / 1_000_000_000;
    }
    user::write(at, stat).map(|()| 0)
}

pub fn stat_at(directory: i32, path: usize, at: usize, flags: u32) -> Answer {
    write_stat(at, &facts_at(directory, path, flags)?)
}

pub fn fstat(number: i32, at: usize) -> Answer {
    write_stat(at, &facts_of_open(&*file::get(number)?)?)
}

/// Writes `struct statx` (256 bytes) with the basic fields.
pub fn statx(directory: i32, path: usize, flags: u32, at: usize) -> Answer {
    const BASIC: u32 = 0x7FF;
    let facts = facts_at(directory, path, flags)?;
    let mut words = [0u32; 64];
    words[0] = BASIC;
    words[1] = PAGE as u32;
    words[4] = 1; // links
    words[7] = facts.mode; // u16 mode, u16 spare
    let mut put = |index: usize, value: u64| {
        words[index] = value as u32;
        words[index + 1] = (value >> 32) as u32;
    };
    put(8, facts.inode);
    put(10, facts.bytes);
    put(12, facts.bytes.div_ceil(BLOCK));
    for time in [16, 20, 24, 28] {
        put(time, crate::time::wall_at_entry_ns() / 1_000_000_000);
    }
    words[32] = (facts.device >> 8) as u32;
    words[33] = (facts.device & 0xFF) as u32;
    words[35] = 1;
    user::write(at, words).map(|()| 0)
}

pub fn access(directory: i32, at: usize) -> Answer {
    facts_at(directory, at, 0).map(|_| 0)
}

pub fn readlink(directory: i32, at: usize, out: usize, bytes: usize) -> Answer {
    let path = path::resolve(directory, at)?;
    let target = match path.as_str() {
        "/proc/self/exe" => crate::loader::payload_path(),
        _ => {
            facts_of_path(&path)?;
            return Err(Errno::INVAL); // not a link
        }
    };
    let count = target.len().min(bytes);
    user::bytes_mut(out, count)?.copy_from_slice(&target.as_bytes()[..count]);
    Ok(count)
}

/// Writes `struct statfs` of a FAT volume.
pub fn statfs(at: usize) -> Answer {
    const MSDOS_SUPER_MAGIC: u64 = 0x4D44;
    let (all, free, cluster) = with_volume(|volume| {
        let cluster = u64::from(volume.cluster_bytes());
        Ok((
            volume.capacity_bytes() / cluster,
            volume.free_bytes()? / cluster,
            cluster,
        ))
    })?;
    let mut words = [0u64; 15];
    words[..5].copy_from_slice(&[MSDOS_SUPER_MAGIC, cluster, all, free, free]);
    words[8] = 255; // longest name
    words[9] = cluster;
    user::write(at, words).map(|()| 0)
}

/// Fills a buffer with `struct linux_dirent64`: ino, off, reclen (u16), type (u8), name.
pub fn getdents64(number: i32, at: usize, bytes: usize) -> Answer {
    use core::sync::atomic::Ordering;
    const DT_DIR: u8 = 4;
    const DT_REG: u8 = 8;
    const HEAD: usize = 19;
    let directory = file::get(number)?;
    let path = directory.directory_path().ok_or(Errno::NOTDIR)?;
    let entries = with_volume(|volume| volume.list(&path))?;
    let dots = [".", ".."].map(|name| (String::from(name), true));
    let listed = entries
        .into_iter()
        .map(|entry| (entry.name, entry.is_directory));
    let all = dots.into_iter().chain(listed);
    let first = directory.position().load(Ordering::Relaxed);
    let out = user::bytes_mut(at, bytes)?;
    let mut done = 0;
    let mut next = first;
    for (name, is_directory) in all.skip(first as usize) {
        let length = (HEAD + name.len() + 1).next_multiple_of(8);
        let Some(entry) = out.get_mut(done..done + length) else {
            if done == 0 {
                return Err(Errno::INVAL);
            }
            break;
        };
        next += 1;
        entry.fill(0);
        entry[..8].copy_from_slice(&inode(&format!("{path}/{name}")).to_le_bytes());
        entry[8..16].copy_from_slice(&next.to_le_bytes());
        entry[16..18].copy_from_slice(&(length as u16).to_le_bytes());
        entry[18] = if is_directory { DT_DIR } else { DT_REG };
        entry[HEAD..HEAD + name.len()].copy_from_slice(name.as_bytes());
        done += length;
    }
    directory.position().store(next, Ordering::Relaxed);
    Ok(done)
}
