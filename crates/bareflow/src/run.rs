//! `bareflow run`: an image in QEMU with its console attached, or its program as a Linux process.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use formats::options::{self, LogLevel, parse_config};
use formats::slots;

use crate::cli::{Accel, EngineArgs, MachineArgs, RunArgs};
use crate::console::{self, End};
use crate::contents::Contents;
use crate::qemu::{Accelerator, Machine, QEMU};
use crate::verdict::{self, Verdict};
use crate::{Artifacts, Error, accel, stop};

/// Runs an image; gives back this process's exit code. Does not come back from a hosted run that starts.
///
/// # Errors
/// What kept the machine or the process from starting, or the console from working.
pub fn run(args: &RunArgs, artifacts: &Artifacts) -> Result<u8, Error> {
    let guest = guest_arguments(args);
    if args.hosted {
        let mut command = hosted(&args.image, artifacts, &args.machine, &args.engine)?;
        if args.json {
            command.arg("--quiet");
        }
        command.arg("--").args(guest);
        if args.verbose {
            eprintln!("bareflow: {command:?}");
        }
        return Err(Error::MissingProgram {
            program: "runtime.elf".into(),
            package: "none: ./x build makes it",
            source: command.exec(),
        });
    }
    let payload = payload_arguments(&args.engine, args.json, guest);
    let log = if args.verbose {
        "log=debug"
    } else if args.json {
        "log=quiet"
    } else {
        ""
    };
    if !args.json {
        let verdict = boot(
            &args.image,
            artifacts,
            &args.machine,
            log,
            payload,
            args.verbose,
            &mut io::stdout().lock(),
        )?;
        return Ok(report(verdict));
    }
    let (verdict, json) = boot_for_json(&args.image, artifacts, &args.machine, payload)?;
    print_all(&json)?;
    Ok(report(verdict))
}

/// Boots an image whose program prints one JSON value; gives that back, without what firmware and boot loaders
/// print before it.
///
/// # Errors
/// As for [`run`]; also when the console shows no JSON at all.
pub fn boot_for_json(
    image: &Path,
    artifacts: &Artifacts,
    machine: &MachineArgs,
    payload: Vec<String>,
) -> Result<(Verdict, Vec<u8>), Error> {
    let (verdict, serial) = boot_captured(image, artifacts, machine, "log=quiet", payload)?;
    match json_in(&serial) {
        Some(json) => Ok((verdict, json)),
        None => {
            // What it said instead is what the person needs.
            eprint!("{}", String::from_utf8_lossy(&serial));
            match verdict.code {
                0 => Err(Error::NoJson {
                    image: image.into(),
                }),
                _ => Ok((verdict, Vec::new())),
            }
        }
    }
}

/// Boots an image; gives back everything its console said.
///
/// # Errors
/// As for [`run`].
pub fn boot_captured(
    image: &Path,
    artifacts: &Artifacts,
    machine: &MachineArgs,
    kernel_options: &str,
    payload: Vec<String>,
) -> Result<(Verdict, Vec<u8>), Error> {
    let mut serial = Vec::new();
    let verdict = boot_into(
        image,
        artifacts,
        machine,
        kernel_options,
        payload,
        &mut serial,
    )?;
    Ok((verdict, serial))
}

/// Boots an image; everything its console says goes to `out` as it comes.
///
/// # Errors
/// As for [`run`].
pub fn boot_into(
    image: &Path,
    artifacts: &Artifacts,
    machine: &MachineArgs,
    kernel_options: &str,
    payload: Vec<String>,
    out: &mut dyn Write,
) -> Result<Verdict, Error> {
    boot(
        image,
        artifacts,
        machine,
        kernel_options,
        payload,
        false,
        out,
    )
}

/// The first JSON object among what a console said.
pub fn json_value(serial: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(&json_in(serial)?).ok()
}

/// The command that runs an image's program as a Linux process; the program's arguments follow `--`.
pub fn hosted(
    image: &Path,
    artifacts: &Artifacts,
    machine: &MachineArgs,
    engine: &EngineArgs,
) -> Result<Command, Error> {
    let mut command = Command::new(artifacts.path("runtime.elf")?);
    command.arg("--disk").arg(image).args(engine.arguments());
    command.args(["--threads", &machine.cpus.to_string()]);
    if let Some(mib) = machine.memory {
        command.args(["--memory", &mib.to_string()]);
    }
    command.args(watchdog(machine));
    Ok(command)
}

/// The runtime's options for the watchdog.
fn watchdog(machine: &MachineArgs) -> Vec<String> {
    let seconds = machine.watchdog.iter();
    seconds
        .flat_map(|n| ["--watchdog".to_owned(), n.to_string()])
        .collect()
}

/// Arguments of the runtime on the machine, and behind `--` those of the program.
pub fn payload_arguments(engine: &EngineArgs, quiet: bool, guest: Vec<String>) -> Vec<String> {
    let mut arguments = engine.arguments();
    if quiet {
        arguments.push("--quiet".into());
    }
    if !guest.is_empty() {
        arguments.push("--".into());
        arguments.extend(guest);
    }
    arguments
}

/// `--prompt`, `-n` and `--json` are short for arguments of the language-model program.
fn guest_arguments(args: &RunArgs) -> Vec<String> {
    let mut guest = Vec::new();
    if let Some(prompt) = &args.prompt {
        guest.extend(["--prompt".to_owned(), prompt.clone()]);
    }
    if let Some(count) = args.tokens {
        guest.extend(["-n".to_owned(), count.to_string()]);
    }
    if args.json {
        guest.push("--json".into());
    }
    guest.extend(args.arguments.iter().cloned());
    guest
}

/// Boots an image; its console goes to `out`.
fn boot(
    image: &Path,
    artifacts: &Artifacts,
    args: &MachineArgs,
    kernel_options: &str,
    payload: Vec<String>,
    verbose: bool,
    out: &mut dyn Write,
) -> Result<Verdict, Error> {
    let mut contents = Contents::open(image)?;
    let kernel = contents.kernel()?;
    let memory_mib = match args.memory {
        Some(mib) => mib,
        None => contents.memory_needed_mib()?,
    };
    let reboots = slot_table(&mut contents).is_some_and(|table| has_trial(&table));
    let mut kernel_options = kernel_options.to_owned();
    if let Some(slot) = args.slot {
        let word = format!("slot={slot}");
        kernel_options = with_option(&kernel_options, &word, || config(&mut contents));
    }
    if args.coverage {
        kernel_options = with_option(&kernel_options, "coverage=on", || config(&mut contents));
    }
    drop(contents);
    let machine = Machine {
        boot: args.boot,
        chipset: args.chipset,
        disk: args.disk,
        cpu: args.cpu.clone(),
        cpus: args.cpus,
        memory_mib,
        accelerator: accelerator(args, artifacts)?,
        wait_for_debugger: args.gdb,
        reboots,
        kernel_options,
        arguments: [watchdog(args), payload].concat(),
    };
    let invocation = machine.invocation(image, &kernel, artifacts, args.discard_writes)?;
    if verbose {
        eprintln!("bareflow: {}", invocation.display());
    }
    if args.gdb {
        eprintln!("bareflow: waiting for a debugger: gdb kernel.elf -ex 'target remote :1234'");
    }
    let stop = stop::on_signals();
    let child = invocation
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| Error::MissingProgram {
            program: QEMU.into(),
            package: "qemu-system-x86",
            source: e,
        })?;
    let limit = args.timeout.map(Duration::from_secs);
    let end: End = console::attach(child, out, true, limit, stop)
        .map_err(|e| Error::io("follow the console of", image, e))?;
    Ok(verdict::of_end(&end))
}

/// The boot slots of the image, if it has any that can be read.
fn slot_table(contents: &mut Contents) -> Option<slots::Table> {
    let mut file = Vec::new();
    let read = contents.read_file(slots::PATH, |piece| file.extend_from_slice(piece));
    read.ok()?;
    Some(slots::pick(&file).ok()?.0)
}

/// Whether a slot may be started that has not proved itself: when it fails it resets the machine, which then starts the next
/// one. Other resets end the machine, or one that fails whatever it starts would do so for ever.
fn has_trial(table: &slots::Table) -> bool {
    table
        .iter()
        .any(|(_, slot)| matches!(slot.state, slots::State::Trial { tries: 1.. }))
}

/// Kernel options with one more. Options from outside replace those of the image, so these come along.
fn with_option(options: &str, word: &str, config: impl FnOnce() -> String) -> String {
    let own = match options {
        "" => config(),
        options => options.to_owned(),
    };
    format!("{own} {word}").trim_start().to_owned()
}

/// The kernel options in the image.
fn config(contents: &mut Contents) -> String {
    let mut text = Vec::new();
    let read = contents.read_file(options::CONFIG_PATH, |piece| text.extend_from_slice(piece));
    let line = read.ok().and_then(|()| parse_config(&text).ok());
    let log = match line.map(|line| line.kernel.log) {
        Some(LogLevel::Quiet) => "log=quiet",
        Some(LogLevel::Debug) => "log=debug",
        _ => "log=info",
    };
    log.to_owned()
}

/// Finds out who executes; says why it is not KVM.
///
/// # Errors
/// The probe cannot be started.
pub fn accelerator(args: &MachineArgs, artifacts: &Artifacts) -> Result<Accelerator, Error> {
    match args.accel {
        Accel::Tcg => Ok(Accelerator::Tcg),
        Accel::Kvm => Ok(Accelerator::Kvm),
        // A named processor is to be imitated exactly, whatever the host's is.
        Accel::Auto if args.cpu.is_some() => Ok(Accelerator::Tcg),
        Accel::Auto => {
            let choice = accel::probe(artifacts)?;
            if let Some(reason) = choice.reason {
                eprintln!("bareflow: {reason}");
            }
            Ok(choice.accelerator)
        }
    }
}

/// Says on standard error what was not simply the program's end.
pub fn report(verdict: Verdict) -> u8 {
    if let Some(message) = verdict.message {
        eprintln!("bareflow: {message} (exit code {})", verdict.code);
    }
    verdict.code
}

/// Writes to standard output. A reader that has gone is no error.
pub fn print_all(bytes: &[u8]) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "standard output", e))
        }
        _ => Ok(()),
    }
}

/// The first complete JSON object that starts a line, with a line feed behind it.
fn json_in(serial: &[u8]) -> Option<Vec<u8>> {
    let starts = (0..serial.len())
        .filter(|&at| serial[at] == b'{' && (at == 0 || matches!(serial[at - 1], b'\n' | b'\r')));
    for at in starts {
        let mut values = serde_json::Deserializer::from_slice(&serial[at..])
            .into_iter::<serde::de::IgnoredAny>();
        if let Some(Ok(_)) = values.next() {
            let mut json = serial[at..at + values.byte_offset()].to_vec();
            json.push(b'\n');
            return Some(json);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use formats::options::SlotChoice;

    use super::*;
    use crate::cli::{Cli, Command};

    fn run_args(words: &[&str]) -> RunArgs {
        let all = ["bareflow", "run", "a.img"].iter().chain(words);
        match Cli::try_parse_from(all).unwrap().command {
            Command::Run(run) => run,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_machines_with_a_slot_on_trial_reboot() {
        use formats::slots::{BASE_PATH, FileRef, Kind, NATIVE_PATHS, Reason, Slot, State, Table};
        let slot = |kind, path| Slot::new(kind, FileRef::describe(path, b"program").unwrap());
        let mut table = Table::new(slot(Kind::Base, BASE_PATH));
        assert!(!has_trial(&table));
        let native = slot(Kind::Native, NATIVE_PATHS[0]);
        let index = table.install(native).unwrap();
        assert!(has_trial(&table));
        for (state, expected) in [
            (State::Trial { tries: 1 }, true),
            (State::Trial { tries: 0 }, false),
            (State::Success, false),
            (State::Abandoned(Reason::File), false),
        ] {
            table.slot_mut(index).unwrap().state = state;
            assert_eq!(has_trial(&table), expected, "{state:?}");
        }
    }

    #[test]
    fn short_options_become_arguments_of_the_program() {
        let args = run_args(&[
            "--prompt", "Hi there", "-n", "3", "--tier", "O1", "--", "--seed", "7",
        ]);
        let guest = guest_arguments(&args);
        assert_eq!(guest, ["--prompt", "Hi there", "-n", "3", "--seed", "7"]);
        let payload = payload_arguments(&args.engine, true, guest);
        assert_eq!(payload[..4], ["--tier", "O1", "--quiet", "--"]);
    }

    #[test]
    fn a_slot_is_chosen_without_losing_the_images_options() {
        let args = run_args(&["--slot", "evicted"]);
        let slot = args.machine.slot.unwrap();
        let from_image = || "log=quiet".to_owned();
        let word = format!("slot={slot}");
        assert_eq!(with_option("", &word, from_image), "log=quiet slot=evicted");
        assert_eq!(
            with_option("log=debug", "coverage=on", from_image),
            "log=debug coverage=on"
        );
        let number = run_args(&["--slot", "3"]).machine.slot;
        assert_eq!(number, Some(SlotChoice::Number(3)));
        let wrong = Cli::try_parse_from(["bareflow", "run", "a.img", "--slot", "best"]);
        assert!(wrong.unwrap_err().to_string().contains("evicted"));
    }

    #[test]
    fn json_is_found_behind_what_boot_loaders_print() {
        let serial = b"SeaBIOS {x}\n{ not json\n{\"a\": [1,\n 2]}\r\nbye\n";
        assert_eq!(json_in(serial).unwrap(), b"{\"a\": [1,\n 2]}\n");
        assert_eq!(json_in(b"{\"cut\": "), None);
    }
}
