//! Measures which functions of the runtime run, as the kernel does it, but for a Linux process.
//!
//! A breakpoint lies on the first byte of every function; the first hit takes it away. The program is watched by
//! ptrace from its first instruction, all its threads too.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use shrink::Coverage;
use shrink::link_data::LinkData;

use crate::build::read;
use crate::paths::Paths;

/// The breakpoint instruction of x86.
const INT3: u8 = 0xCC;

/// Runs a base runtime with arguments until it ends; what it writes goes to ours. Gives what ran.
pub fn watch(runtime: &Path, link: &LinkData, arguments: &[String]) -> Result<Coverage> {
    let runtime = &*runtime
        .canonicalize()
        .with_context(|| format!("cannot find {}", runtime.display()))?;
    // Waits until it is watched before it becomes the program.
    let mut child = Command::new("sh")
        .args(["-c", "read go; exec \"$@\" </dev/null", "sh"])
        .arg(runtime)
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot start sh")?;
    let main = Pid::from_raw(child.id() as i32);
    let options = ptrace::Options::PTRACE_O_TRACECLONE
        | ptrace::Options::PTRACE_O_TRACEEXEC
        | ptrace::Options::PTRACE_O_EXITKILL;
    ptrace::seize(main, options).context("cannot watch a process by ptrace")?;
    child
        .stdin
        .take()
        .context("no pipe to sh")?
        .write_all(b"go\n")?;
    let image = read(runtime)?;
    let mut coverage = Coverage::new(link);
    coverage.begin_boot();
    let mut planted = false;
    loop {
        let status = waitpid(None, Some(WaitPidFlag::__WALL)).context("waiting for the program")?;
        let (thread, signal) = match status {
            WaitStatus::Exited(pid, code) if pid == main => {
                ensure!(code == 0, "the watched program ended with code {code}");
                return Ok(coverage);
            }
            WaitStatus::Signaled(pid, signal, _) if pid == main => {
                bail!("the watched program was ended by {signal}")
            }
            WaitStatus::PtraceEvent(pid, _, event) => {
                // The shell's own start may be seen, too.
                let is_exec = event == ptrace::Event::PTRACE_EVENT_EXEC as i32;
                let began = || std::fs::read_link(format!("/proc/{pid}/exe")).ok();
                if is_exec && !planted && began().as_deref() == Some(runtime) {
                    planted = true;
                    plant(pid, link)?;
                }
                (pid, None)
            }
            WaitStatus::Stopped(pid, Signal::SIGTRAP) => {
                match enter(pid, &image, link, &mut coverage) {
                    Ok(true) => (pid, None),
                    Ok(false) => (pid, Some(Signal::SIGTRAP)),
                    Err(error) if is_gone(&error) => continue,
                    Err(error) => return Err(error),
                }
            }
            WaitStatus::Stopped(pid, signal) => (pid, Some(signal)),
            _ => continue,
        };
        match ptrace::cont(thread, signal) {
            Ok(()) | Err(Errno::ESRCH) => {} // threads may end while they are stopped
            Err(error) => return Err(error).context("the program cannot go on"),
        }
    }
}

/// Counts the function at whose breakpoint a thread stopped, and takes the breakpoint away; false if there is none.
fn enter(thread: Pid, image: &[u8], link: &LinkData, coverage: &mut Coverage) -> Result<bool> {
    let mut registers = ptrace::getregs(thread)?;
    let address = registers.rip - 1;
    let Some(function) = link.functions.starting_at(address) else {
        return Ok(false);
    };
    coverage.note_function(function);
    poke(thread, address, first_byte(image, address)?)?;
    registers.rip = address;
    ptrace::setregs(thread, registers)?;
    Ok(true)
}

/// Whether the thread ended while it was stopped: another one ended the program.
fn is_gone(error: &anyhow::Error) -> bool {
    error.downcast_ref() == Some(&Errno::ESRCH)
}

/// Runs the built runtime and adds what ran to the record in a file.
pub fn record(paths: &Paths, file: &Path, arguments: &[String]) -> Result<()> {
    let link = LinkData::open(&read(&paths.artifacts().join("runtime.link"))?)?;
    let mut coverage = watch(&paths.artifacts().join("runtime.elf"), &link, arguments)?;
    println!(
        "{} of {} functions ran",
        coverage.functions_run(),
        link.functions.len()
    );
    if file.exists() {
        let mut all = Coverage::decode(&read(file)?, &link)?;
        all.merge(&coverage)?;
        coverage = all;
        println!("{} with what ran before", coverage.functions_run());
    }
    std::fs::write(file, coverage.encode())
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Puts a breakpoint on every function.
fn plant(process: Pid, link: &LinkData) -> Result<()> {
    for function in 0..link.functions.len() {
        if let Some((address, _)) = link.functions.get(function) {
            poke(process, address, INT3)?;
        }
    }
    Ok(())
}

/// Writes one byte into the memory of a process that is stopped.
fn poke(process: Pid, address: u64, byte: u8) -> Result<()> {
    let word = (address & !7) as ptrace::AddressType;
    let mut bytes = ptrace::read(process, word)
        .with_context(|| format!("cannot read the program at {address:#x}"))?
        .to_le_bytes();
    bytes[(address & 7) as usize] = byte;
    ptrace::write(process, word, i64::from_le_bytes(bytes))
        .with_context(|| format!("cannot write the program at {address:#x}"))
}

/// The byte of the image at an address.
fn first_byte(image: &[u8], address: u64) -> Result<u8> {
    let executable = formats::elf::Executable::parse(image, image.len() as u64)
        .map_err(|error| anyhow::anyhow!("{error}"))?;
    let segment = executable
        .segments
        .iter()
        .find(|s| (s.address..s.address + s.file_bytes).contains(&address))
        .with_context(|| format!("no content at {address:#x}"))?;
    let offset = address - segment.address + segment.file_offset;
    image
        .get(offset as usize)
        .copied()
        .with_context(|| format!("no content at {address:#x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_ended_is_told_from_other_errors() {
        let gone = Pid::from_raw(i32::MAX);
        assert!(is_gone(&poke(gone, 0x1000, INT3).unwrap_err()));
        let other = anyhow::Error::from(Errno::EFAULT).context("cannot read the program");
        assert!(!is_gone(&other));
    }
}
