//! The kernel's tests from the payload's side: static C programs in place of the runtime.
//!
//! crates/kernel/tests/payloads/README.md describes the lines at the head of each program. Every program runs with two
//! processors on `-cpu max` and with one on Nehalem, which has neither AVX nor XSAVE; and once more with everything
//! constant evicted, so that each of its functions comes out of the cold file, to the same output.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bareflow::image::ImageBuilder;
use bareflow::qemu::{Boot, Machine};
use formats::cold;
use formats::exit::Reason;
use formats::options::split_words;

use crate::build::read;
use crate::machine_test::{Feed, MachineTest};
use crate::machines::Image;
use crate::paths::Paths;
use crate::payload_files;
use crate::sh;

/// What the head of a program asks for.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    arguments: Vec<String>,
    /// Options of the compiler.
    flags: Vec<String>,
    exit: Reason,
    expect: Vec<String>,
    forbid: Vec<String>,
    /// Text on the console, or none, and the keys typed after it.
    input: Vec<(String, String)>,
    /// It boots from its disk, too.
    from_disk: bool,
    memory_mib: u64,
    /// Options of the kernel.
    options: String,
    /// Its link data lies beside it.
    link: Link,
    /// It runs with everything constant evicted, too.
    evictable: bool,
    /// What is done to its cold file. With damage it runs evicted only.
    damage: Damage,
}

/// Which link data lies beside a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    None,
    Own,
    Foreign,
}

/// What is wrong with a cold file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    /// Nothing.
    None,
    /// It ends in the middle of a block.
    CutOff,
    /// A bit of a block is another one.
    Flipped,
    /// It belongs to another program.
    Foreign,
}

/// Compiles the programs and describes their tests, of those whose name contains `filter`.
pub fn tests(paths: &Paths, filter: Option<&str>) -> Result<Vec<MachineTest>> {
    let folder = paths.root.join("crates/kernel/tests/payloads");
    let mut sources: Vec<_> = std::fs::read_dir(&folder)
        .with_context(|| format!("cannot list {}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "c"))
        .collect();
    sources.sort();
    ensure!(!sources.is_empty(), "{} holds no program", folder.display());
    let mut tests = Vec::new();
    for source in sources {
        let name = source
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text = String::from_utf8_lossy(&read(&source)?).into_owned();
        let head = parse(&text).with_context(|| source.display().to_string())?;
        let test = |boot, kind, cpu, cpus| {
            let by = if boot == Boot::Disk { "/disk" } else { "" };
            (
                format!("machine/{kind}/{name}{by}/{cpu}/{cpus}"),
                boot,
                cpu,
                cpus,
            )
        };
        let mut wanted = Vec::new();
        if head.damage == Damage::None {
            wanted.push(test(Boot::Pvh, "payload", "max", 2));
            wanted.push(test(Boot::Pvh, "payload", "Nehalem", 1));
        }
        if head.from_disk {
            wanted.push(test(Boot::Disk, "payload", "max", 2));
        }
        if head.evictable {
            wanted.push(test(Boot::Pvh, "evicted", "max", 2));
            wanted.push(test(Boot::Pvh, "evicted", "Nehalem", 1));
        }
        wanted.retain(|(name, ..)| filter.is_none_or(|f| name.contains(f)));
        if wanted.is_empty() {
            continue;
        }
        let image = image(paths, &name, &source, &head)?;
        for (name, boot, cpu, cpus) in wanted {
            let mut kernel_options = head.options.clone();
            if name.starts_with("machine/evicted") {
                kernel_options.push_str(" payload=/bareflow/evicted.0");
            }
            tests.push(MachineTest {
                name,
                image: image.path.clone(),
                kernel: image.kernel.clone(),
                machine: Machine {
                    boot,
                    cpu: Some(cpu.into()),
                    cpus,
                    memory_mib: head.memory_mib,
                    arguments: head.arguments.clone(),
                    kernel_options,
                    ..Machine::default()
                },
                input: head
                    .input
                    .iter()
                    .map(|(after, keys)| Feed {
                        after: after.clone(),
                        keys: keys.clone(),
                    })
                    .collect(),
                expect: head.expect.clone(),
                forbid: head
                    .forbid
                    .iter()
                    .cloned()
                    .chain(["FAILED".into()])
                    .collect(),
                exit: head.exit.qemu_status(),
                timeout: Duration::from_secs(240),
                keep_writes: false,
            });
        }
    }
    Ok(tests)
}

/// An image whose payload is the program, also in its evicted form.
fn image(paths: &Paths, name: &str, source: &Path, head: &Head) -> Result<Image> {
    let folder = paths.scratch("payloads")?;
    let program = compile(paths, name, source, &head.flags)?;
    let part = |name: &str| read(&paths.artifacts().join(name));
    let mut builder = ImageBuilder::new(
        part("stage1.bin")?,
        part("stage2.bin")?,
        part("kernel.elf")?,
    )?;
    builder.set_free_bytes(16 << 20);
    builder.add_file("/boot/runtime.elf", &program);
    let elf = read(&program)?;
    if head.link != Link::None {
        let mut link = payload_files::link_data(&elf)?;
        if head.link == Link::Foreign {
            link = formats::link::encode(&[1; 20], &[payload_files::no_functions()])?;
        }
        builder.add_bytes("/bareflow/link.0", link.clone());
        builder.add_bytes("/boot/runtime.link", link);
    }
    if head.evictable {
        let mut evicted = payload_files::evict_all(&elf)?;
        head.damage.apply(&mut evicted.cold)?;
        builder.add_bytes("/bareflow/evicted.0", evicted.hot);
        builder.add_bytes("/bareflow/cold.0", evicted.cold);
    }
    let path = folder.join(format!("{name}.img"));
    builder.write(&path, &mut |_| {}, &AtomicBool::new(false))?;
    Image::open(path)
}

/// Compiles a program; gives its path.
pub fn compile(paths: &Paths, name: &str, source: &Path, flags: &[String]) -> Result<PathBuf> {
    let program = paths.scratch("payloads")?.join(name);
    sh::output(
        Command::new("gcc")
            .args(["-O1", "-static", "-pthread", "-Wl,--build-id=sha1"])
            .args(flags)
            .arg(source)
            .arg("-o")
            .arg(&program),
    )?;
    Ok(program)
}

impl Damage {
    fn parse(word: &str) -> Result<Self> {
        match word {
            "cut-off" => Ok(Self::CutOff),
            "flipped" => Ok(Self::Flipped),
            "foreign" => Ok(Self::Foreign),
            _ => bail!("cold: cut-off, flipped or foreign"),
        }
    }

    fn apply(self, cold: &mut Vec<u8>) -> Result<()> {
        let head: &[u8; cold::HEAD_BYTES] = cold.first_chunk().context("no cold file")?;
        let blocks = cold::index_bytes(head)?;
        match self {
            Self::None => {}
            Self::CutOff => cold.truncate(cold.len() - 10),
            // Every block, so that the first page that is missed is damaged.
            Self::Flipped => {
                let starts = cold[cold::HEAD_BYTES..blocks].chunks_exact(cold::ENTRY_BYTES);
                let starts: Vec<usize> = starts
                    .map(|entry| {
                        entry[..4]
                            .iter()
                            .rev()
                            .fold(0, |n, b| n << 8 | usize::from(*b))
                    })
                    .collect();
                for start in starts {
                    cold[start + 5] ^= 0x10;
                }
            }
            Self::Foreign => {
                let content = vec![0x90; 1 << 20];
                *cold = cold::encode(&content, &[1; 20], cold::BLOCK_BYTES, |_| None)?;
            }
        }
        Ok(())
    }
}

/// Reads the `// key: value` lines at the head of a program.
fn parse(text: &str) -> Result<Head> {
    let mut exit = None;
    let mut head = Head {
        arguments: Vec::new(),
        flags: Vec::new(),
        exit: Reason::Program(0),
        expect: Vec::new(),
        forbid: Vec::new(),
        input: Vec::new(),
        from_disk: false,
        memory_mib: 256,
        options: String::from("log=info"),
        link: Link::None,
        evictable: true,
        damage: Damage::None,
    };
    for line in text.lines() {
        let Some(comment) = line.strip_prefix("// ") else {
            continue;
        };
        let Some((key, value)) = comment.split_once(": ") else {
            continue;
        };
        match key {
            "flags" => head.flags = split_words(value)?,
            "args" => head.arguments = split_words(value)?,
            "exit" if value == "payload-exception" => exit = Some(Reason::PayloadException),
            "exit" if value == "bad-payload" => exit = Some(Reason::BadPayload),
            "exit" => exit = Some(Reason::Program(value.parse().context("exit")?)),
            "expect" => head.expect.push(value.into()),
            "forbid" => head.forbid.push(value.into()),
            "boot" if value == "disk" => head.from_disk = true,
            "boot" => bail!("boot: disk"),
            "options" => head.options = value.into(),
            "link" if value == "yes" => head.link = Link::Own,
            "link" if value == "foreign" => head.link = Link::Foreign,
            "link" => bail!("link: yes or foreign"),
            "evicted" => head.evictable = value != "no",
            "cold" => head.damage = Damage::parse(value)?,
            "memory" => head.memory_mib = value.parse().context("memory")?,
            "input" => {
                let (prompt, keys) = value.split_once("> ").context("input: PROMPT> KEYS")?;
                let after = if prompt.is_empty() { "" } else { ">" };
                head.input
                    .push((format!("{prompt}{after}"), unescape(keys)?));
            }
            _ => {}
        }
    }
    head.exit = exit.context("no line `// exit: ...`")?;
    Ok(head)
}

/// `\n` and `\x03` as bytes.
fn unescape(text: &str) -> Result<String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let escape = &rest[at + 1..];
        if let Some(behind) = escape.strip_prefix('n') {
            out.push('\n');
            rest = behind;
        } else if let Some(digits) = escape.strip_prefix('x').and_then(|hex| hex.get(..2)) {
            out.push(u8::from_str_radix(digits, 16).context("\\x")?.into());
            rest = &escape[3..];
        } else {
            bail!("unknown escape in {text:?}");
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let text = "// args: one \"two words\"\n// exit: 7\n// expect: a: b\n// input: go> x\\x7f\\n\nint x;\n";
        let head = parse(text).unwrap();
        assert_eq!(head.arguments, ["one", "two words"]);
        assert_eq!(head.exit, Reason::Program(7));
        assert_eq!(head.expect, ["a: b"]);
        assert_eq!(head.input, [("go>".to_owned(), "x\x7f\n".to_owned())]);
        assert_eq!(
            parse("// exit: payload-exception").unwrap().exit,
            Reason::PayloadException
        );
        assert!(parse("// expect: a").is_err());
    }
}
