//! `bareflow converge`: boots an image until it has become native, and draws what happened.
//!
//! Every boot runs the same program with the same input; what the machine does to itself between them (collect, evict,
//! export) is its own decision (`runtime`, "grow"). This command only boots, watches, and checks that the program's
//! answer stays the same.

mod boot;
mod disk;
mod page;
mod plot;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde_json::Value;

use crate::cli::{Accel, ConvergeArgs, EngineArgs, MachineArgs};
use crate::contents::Contents;
use crate::qemu::Accelerator;
use crate::verdict::INTERRUPTED;
use crate::{Artifacts, Error, run, shrink};
use ::shrink::treemap;
use boot::{Boot, size};
use disk::Left;
use page::Picture;

/// Memory beside what the program needs, in MiB: a machine that evicts holds its runtime twice, one that exports all of its
/// program's code.
const GROWING_MIB: u64 = 512;
/// How a line begins that the machine says of itself.
const OF_ITSELF: &[u8] = b"bareflow: ";
/// Native boots in a row after which nothing is expected to change any more.
const NATIVE_BOOTS: usize = 3;

/// Boots until nothing changes; gives back this process's exit code: 0 converged, 1 not within the boots allowed.
///
/// # Errors
/// The image cannot grow, a boot failed, the program's answer changed, or the report cannot be written.
pub fn converge(
    args: &ConvergeArgs,
    artifacts: &Artifacts,
    stop: &AtomicBool,
) -> Result<u8, Error> {
    let mut before = Left::read(&args.image)?;
    let mut boots: Vec<Boot> = Vec::new();
    let mut answer: Option<Value> = None;
    let mut code = 1;
    let machine = machine(args, artifacts)?;
    for number in 1..=args.boots {
        let start = Instant::now();
        let mut console = Console::default();
        let verdict = run::boot_into(
            &args.image,
            artifacts,
            &machine,
            "log=quiet coverage=on",
            payload(args),
            &mut console,
        )?;
        let serial = console.all;
        if verdict.code == INTERRUPTED || stop.load(Ordering::Relaxed) {
            eprintln!("bareflow: stopped after {} boots", boots.len());
            code = INTERRUPTED;
            break;
        }
        if verdict.code != 0 {
            eprint!("{}", String::from_utf8_lossy(&serial));
            run::report(verdict);
            return Err(Error::BootFailed { number });
        }
        let json = run::json_value(&serial).unwrap_or(Value::Null);
        let after = Left::read(&args.image)?;
        let mut boot = Boot {
            number,
            ..Boot::default()
        };
        boot.add_program(&json, start.elapsed());
        after.describe(&mut boot, &before);
        println!("{}", boot.line());
        same_answer(&mut answer, &json, number)?;
        boots.push(boot);
        before = after;
        if has_settled(&boots) && before.is_native() {
            code = 0;
            break;
        }
    }
    let summary = summary(&boots, code == 0);
    for sentence in &summary {
        println!("{sentence}");
    }
    let path = report_path(args);
    let title = args
        .image
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let html = page::page(&title, &summary, &boots, &pictures(&args.image));
    std::fs::write(&path, html).map_err(|e| Error::io("write", &path, e))?;
    println!("Report: {}", path.display());
    Ok(code)
}

/// The machine, with memory to change itself in.
fn machine(args: &ConvergeArgs, artifacts: &Artifacts) -> Result<MachineArgs, Error> {
    let mut machine = args.machine.clone();
    if machine.memory.is_none() {
        let needed = Contents::open(&args.image)?.memory_needed_mib()?;
        machine.memory = Some(needed + GROWING_MIB);
    }
    if machine.accel == Accel::Auto {
        machine.accel = match run::accelerator(&machine, artifacts)? {
            Accelerator::Kvm => Accel::Kvm,
            Accelerator::Tcg => Accel::Tcg,
        };
    }
    Ok(machine)
}

/// Keeps what a machine says, and shows at once what it says of itself: its steps take minutes under emulation.
#[derive(Default)]
struct Console {
    all: Vec<u8>,
    /// Where the line begins that is not yet complete.
    line: usize,
}

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.all.extend_from_slice(bytes);
        while let Some(length) = self.all[self.line..].iter().position(|b| *b == b'\n') {
            let line = &self.all[self.line..self.line + length];
            if line.starts_with(OF_ITSELF) {
                println!("          {}", String::from_utf8_lossy(line).trim_end());
            }
            self.line += length + 1;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn payload(args: &ConvergeArgs) -> Vec<String> {
    let guest = match args.arguments.is_empty() {
        // The same answer in every boot, so that it can be compared.
        true => [
            "--json",
            "--temperature",
            "0",
            "--prompt",
            &args.prompt,
            "-n",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([args.tokens.to_string()])
        .collect(),
        false => args.arguments.clone(),
    };
    let mut payload = run::payload_arguments(&EngineArgs::default(), false, guest);
    payload.splice(0..0, ["--grow".to_owned(), args.policy.clone()]);
    payload
}

/// The program must say the same in every boot.
fn same_answer(answer: &mut Option<Value>, json: &Value, number: u32) -> Result<(), Error> {
    let found = &json["generated_ids"];
    match answer {
        Some(expected) if expected != found => Err(Error::AnswerChanged {
            number,
            expected: expected.to_string(),
            found: found.to_string(),
        }),
        Some(_) => Ok(()),
        None => {
            *answer = Some(found.clone());
            Ok(())
        }
    }
}

/// Whether the last boots were all native.
fn has_settled(boots: &[Boot]) -> bool {
    boots.len() >= NATIVE_BOOTS
        && boots[boots.len() - NATIVE_BOOTS..]
            .iter()
            .all(|b| b.slot == "native")
}

fn summary(boots: &[Boot], converged: bool) -> Vec<String> {
    let (Some(first), Some(last)) = (boots.first(), boots.last()) else {
        return vec!["No boot was finished.".into()];
    };
    let mut sentences = vec![format!(
        "{} after {} boots: from {} ({}) to {} ({}).",
        if converged {
            "Converged"
        } else {
            "Not converged"
        },
        boots.len(),
        first.slot,
        size(first.image_bytes),
        last.slot,
        size(last.image_bytes)
    )];
    if let (Some(a), Some(b)) = (first.first_token_ms, last.first_token_ms) {
        sentences.push(format!(
            "First token after {:.2} s instead of {:.2} s.",
            b / 1e3,
            a / 1e3
        ));
    }
    if let (Some(a), Some(b)) = (first.tokens_per_second, last.tokens_per_second) {
        sentences.push(format!("{b:.2} tokens/s instead of {a:.2}."));
    }
    sentences
}

/// The runtime before and after: what never ran left it. Nothing where the machine measured nothing.
fn pictures(image: &Path) -> Vec<Picture> {
    let Ok(report) = shrink::kept_report(image) else {
        return Vec::new();
    };
    let caption = format!(
        "The full runtime, area by bytes of code: red ran in {} measured boots and stays, grey never did and was evicted; of LLVM \
         {:.1} % of functions and {:.1} % of bytes",
        report.boots,
        100.0 * report.llvm.dead_functions(),
        100.0 * report.llvm.dead_bytes()
    );
    let svg = treemap::svg(&report);
    vec![Picture { caption, svg }]
}

fn report_path(args: &ConvergeArgs) -> PathBuf {
    match &args.report {
        Some(path) => path.clone(),
        None => Path::new(&args.image).with_extension("html"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boot(slot: &str) -> Boot {
        Boot {
            slot: slot.into(),
            image_bytes: 1_000_000,
            ..Boot::default()
        }
    }

    #[test]
    fn it_ends_when_the_last_boots_were_native() {
        let slots = ["base", "native", "native", "native"].map(boot);
        assert!(!has_settled(&slots[..3]));
        assert!(has_settled(&slots));
        assert!(!has_settled(&[]));
        assert!(summary(&slots, true)[0].contains("Converged after 4 boots"));
        assert_eq!(summary(&[], false).len(), 1);
    }

    #[test]
    fn a_console_keeps_all_and_takes_lines_in_pieces() {
        let mut console = Console::default();
        for piece in ["{\"a\": 1}\nbare", "flow: exporting\nend"] {
            console.write_all(piece.as_bytes()).unwrap();
        }
        assert_eq!(console.all, b"{\"a\": 1}\nbareflow: exporting\nend");
        assert_eq!(&console.all[console.line..], b"end");
    }

    #[test]
    fn another_answer_is_an_error_that_shows_both() {
        let mut answer = None;
        let ids = |n: u32| serde_json::json!({ "generated_ids": [1, n] });
        same_answer(&mut answer, &ids(2), 1).unwrap();
        same_answer(&mut answer, &ids(2), 2).unwrap();
        let error = same_answer(&mut answer, &ids(3), 3)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("[1,2]") && error.contains("[1,3]"),
            "{error}"
        );
    }
}
