//! Builds the fuzz targets with coverage instrumentation and runs each for a while.
//!
//! libFuzzer through the compiler's own `sancov` pass: works with the stable toolchain and needs no cargo-fuzz. The
//! parsers have no `unsafe`, so no address sanitizer: panics, overflows, hangs and memory above 1 GiB are the
//! findings. Seeds are valid files, made here from what the repository has.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use formats::slots::{self, FileRef, Kind, Slot, Table};
use formats::snap;
use formats::{cold, link, profile};
use llama_model::TensorFormat;
use llama_model::write::GgufWriter;
use store::block::MemoryDevice;
use store::fat::{FormatOptions, Volume};
use store::records::{MemoryArea, Records};

use crate::build::{TARGET, read};
use crate::paths::Paths;
use crate::sh::{cargo, run, step};

/// The targets; each is a function of the crate in fuzz/.
const TARGETS: [&str; 12] = [
    "gguf", "llbc", "boot", "options", "fat", "elf", "profile", "snap", "slots", "records", "cold",
    "link",
];

/// Coverage counters on every edge, and the values of comparisons, for libFuzzer.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing";

/// Runs `only` (or all targets) for `seconds` each; a finding ends it with the file that shows it.
pub fn all(paths: &Paths, only: Option<&str>, seconds: u64) -> Result<()> {
    let targets: Vec<&str> = TARGETS
        .into_iter()
        .filter(|t| only.is_none_or(|only| only == *t))
        .collect();
    ensure!(
        !targets.is_empty(),
        "no such target; there are: {}",
        TARGETS.join(", ")
    );
    let folder = paths.root.join("fuzz");
    let target = paths.separate_target("fuzz");
    step("building the fuzz targets", false, || {
        run(cargo(&folder)
            .args([
                "build",
                "--quiet",
                "--release",
                "--locked",
                "--bins",
                "--target",
                TARGET,
            ])
            .arg("--target-dir")
            .arg(&target)
            .env("RUSTFLAGS", FLAGS))
    })?;
    let findings = folder.join("artifacts");
    fs::create_dir_all(&findings)?;
    for name in &targets {
        let corpus = folder.join("corpus").join(name);
        fs::create_dir_all(&corpus)?;
        seed(paths, name, &corpus).with_context(|| format!("making seeds for {name}"))?;
        let mut command = Command::new(target.join(TARGET).join("release").join(name));
        command
            .arg(&corpus)
            .arg(format!("-max_total_time={seconds}"))
            .args([
                "-max_len=65536",
                "-timeout=10",
                "-rss_limit_mb=1024",
                "-print_final_stats=1",
            ])
            .arg(format!("-artifact_prefix={}/{name}-", findings.display()));
        let log = paths.scratch("fuzz")?.join(format!("{name}.log"));
        let output = fs::File::create(&log)?;
        command
            .stdin(std::process::Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        step(&format!("fuzzing {name} for {seconds} s"), false, || {
            let status = command.status().context("cannot start the target")?;
            let text = String::from_utf8_lossy(&read(&log)?).into_owned();
            if !status.success() {
                let lines: Vec<&str> = text.lines().collect();
                let end = lines[lines.len().saturating_sub(30)..].join("\n");
                bail!(
                    "{end}\nfinding in {name}; its input lies in {}",
                    findings.display()
                );
            }
            let runs = text
                .lines()
                .find_map(|l| l.strip_prefix("stat::number_of_executed_units:"));
            println!(
                "fuzz {name}: {} runs in {seconds} s, no finding",
                runs.unwrap_or("?").trim()
            );
            Ok(())
        })?;
    }
    println!("{} passed, 0 failed", targets.len());
    Ok(())
}

/// Writes valid inputs for a target into its corpus.
fn seed(paths: &Paths, name: &str, corpus: &Path) -> Result<()> {
    let data = paths.root.join("crates/llama/tests/data");
    let write = |file: &str, content: &[u8]| {
        let path = corpus.join(format!("seed-{file}"));
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    };
    match name {
        "gguf" => {
            write("tiny.gguf", &tiny_gguf())?;
            let vocabulary = read(&data.join("ggml-vocab-llama-spm.gguf"))?;
            write(
                "vocabulary.gguf",
                &vocabulary[..60_000.min(vocabulary.len())],
            )?;
            let stories = read(&data.join("stories260K.bin"))?;
            write("stories.bin", &stories[..4096])?;
            let mut tokenizer = vec![200];
            tokenizer.extend_from_slice(&read(&data.join("tok512.bin"))?);
            write("tokenizer.bin", &tokenizer)
        }
        "llbc" => {
            let module = |imports: &[&str], exports: &[&str], code: &[u8]| {
                formats::llbc::encode("main", Some("bf_main"), imports, exports, code)
            };
            write("small.llbc", &module(&[], &["bf_main"], b"BC\xC0\xDE")?)?;
            let imports = ["bf_console_write", "bf_exit", "memcpy"];
            write(
                "large.llbc",
                &module(&imports, &["bf_main", "table"], &[7; 1000])?,
            )
        }
        "boot" => {
            let kernel = [0x90; 600];
            let mut disk = formats::flud::Header::describe(&kernel)?.encode().to_vec();
            disk.extend_from_slice(&kernel);
            write("flud", &disk)?;
            let mut start_info = [0; formats::boot::START_INFO_BYTES];
            start_info[..4].copy_from_slice(&formats::boot::START_INFO_MAGIC.to_le_bytes());
            start_info[4] = 1;
            start_info[41] = 0x10;
            start_info[48] = 3;
            write("start-info", &start_info)
        }
        "options" => {
            write(
                "line",
                b"log=debug cpus=2 payload=/boot/x -- --prompt 'a \"b\" c' d\\ e",
            )?;
            write("config", b"# comment\nlog=quiet # more\n-- a b\n")?;
            write("nul", b"--prompt\0two words\0\0")
        }
        "fat" => {
            write("fat16", &small_fat16()?)?;
            write("fat32", &small_fat32()?)
        }
        "elf" => {
            let own = read(&std::env::current_exe()?)?;
            let mut head = vec![255];
            head.extend_from_slice(&own[..4096.min(own.len())]);
            // The program itself is position independent; a payload is not.
            write("pie.elf", &head)?;
            head[1 + 16] = 2;
            write("static.elf", &head)
        }
        "profile" => {
            let mut function = profile::Function {
                name: "matmul".into(),
                hash: [7; 32],
                tier: 4,
                calls: 123_456_789,
                cycles: Some((9, 99, 9, 12)),
                blocks: vec![1, 1 << 40],
                ..profile::Function::default()
            };
            function.arguments.resize_with(2, Default::default);
            function.arguments[0].top = vec![(288, 99), (0, 1)];
            function.sites.resize_with(1, Default::default);
            function.sites[0].top = vec![("compare".into(), 5)];
            let mut all = profile::Profile::default();
            write("empty", &profile::encode(&mut all))?;
            all.functions = vec![function, profile::Function::default()];
            write("two", &profile::encode(&mut all))
        }
        "snap" => {
            let mut matmul = snap::Function::new("matmul", 4, [7; 32], b"machine code");
            (matmul.variant, matmul.details) = (2, b"n = 288");
            let main = snap::Function::new("bf_main", 1, [8; 32], &[0x90; 40]);
            let set = |functions| snap::Snap {
                boot_count: 3,
                cpu_key: 4,
                build: 5,
                functions,
            };
            write("empty", &snap::encode(&set(vec![]))?)?;
            write("two", &snap::encode(&set(vec![matmul, main]))?)
        }
        "slots" => {
            let file = |path| FileRef::describe(path, b"content");
            let mut table = Table::new(Slot::new(Kind::Base, file(slots::BASE_PATH)?));
            write("base", &slots::new_file(&table))?;
            let mut evicted = Slot::new(Kind::Evicted, file(slots::EVICTED_PATHS[0])?);
            evicted.cold = Some(file(slots::COLD_PATHS[0])?);
            table.install(evicted)?;
            let mut native = Slot::new(Kind::Native, file(slots::NATIVE_PATHS[1])?);
            native.features.add("avx2");
            let native = table.install(native)?;
            table.start(native)?;
            table.abandon(1, slots::Reason::Hung { seconds: 120 })?;
            write("three", &slots::new_file(&table))
        }
        "records" => {
            let mut records = Records::open(MemoryArea::new(64 << 10))?;
            for (key, bytes) in [(1, 10), (2, 9_000), (1, 5_000), (3, 0), (2, 300)] {
                records.put(2, key, &vec![key as u8; bytes])?;
            }
            write("five", records.into_inner().as_bytes())
        }
        "cold" => {
            let content: Vec<u8> = (0..9_000u32).map(|i| (i >> 3) as u8).collect();
            let pack = |block: &[u8]| Some(block[..block.len() / 2].to_vec());
            let id = [7; formats::calls::BUILD_ID_BYTES];
            write("plain", &cold::encode(&content, &id, 4096, |_| None)?)?;
            write("packed", &cold::encode(&content, &id, 8192, pack)?)
        }
        "link" => {
            let functions = vec![(0x1000, 16), (0x1010, 0), (0x2000, 300)];
            let functions = link::Functions::new(functions)?.encode();
            write("functions", &functions)?;
            let section = |kind, packed| link::NewSection {
                kind,
                content: &functions,
                packed,
            };
            let sections = [
                section(link::FUNCTIONS, None),
                section(*b"NAME", Some(b"packed".to_vec())),
            ];
            let id = [7; formats::calls::BUILD_ID_BYTES];
            write("two", &link::encode(&id, &sections)?)
        }
        other => bail!("no seeds for {other}"),
    }
}

/// The start of a FAT16 volume, with all its tables and files.
fn small_fat16() -> Result<Vec<u8>> {
    let options = FormatOptions {
        cluster_sectors: Some(1),
        ..FormatOptions::default()
    };
    filled(Volume::format(MemoryDevice::new(5_000), &options)?)
}

/// A FAT32 volume far smaller than the format allows; it is told by its boot sector, not by its size.
fn small_fat32() -> Result<Vec<u8>> {
    let mut disk = MemoryDevice::new(600);
    let bytes = disk.bytes_mut();
    for (at, value) in [
        (11, 512u32),
        (13, 1),
        (16, 2),
        (32, 600),
        (36, 5),
        (44, 2),
        (48, 1),
    ] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    bytes[14..16].copy_from_slice(&2u16.to_le_bytes());
    bytes[510..512].copy_from_slice(&[0x55, 0xAA]);
    for table in [2 * 512, 7 * 512] {
        for entry in 0..3 {
            bytes[table + entry * 4..][..4].copy_from_slice(&0x0FFF_FFFFu32.to_le_bytes());
        }
    }
    filled(Volume::mount(disk)?)
}

/// Puts some files on a volume and gives its first 64 KiB.
fn filled(mut volume: Volume<MemoryDevice>) -> Result<Vec<u8>> {
    volume.create_dir("/DIR")?;
    for (name, bytes) in [
        ("/A", 3_000),
        ("/DIR/a long name", 2_000),
        ("/b.txt", 10),
        ("/DIR/C", 0),
    ] {
        let file = volume.create(name)?;
        volume.write_at(&file, 0, &vec![7; bytes])?;
    }
    let mut bytes = volume.unmount()?.into_bytes();
    bytes.truncate(65_536);
    Ok(bytes)
}

/// The smallest valid model: one layer, 32 tokens.
fn tiny_gguf() -> Vec<u8> {
    let (dim, hidden, vocabulary) = (32, 64, 32);
    let mut writer = GgufWriter::new();
    writer
        .text("general.architecture", "llama")
        .text("general.name", "tiny");
    for (key, value) in [
        ("llama.block_count", 1),
        ("llama.context_length", 64),
        ("llama.embedding_length", dim as u32),
        ("llama.feed_forward_length", hidden as u32),
        ("llama.attention.head_count", 2),
        ("llama.attention.head_count_kv", 1),
        ("tokenizer.ggml.bos_token_id", 1),
        ("tokenizer.ggml.eos_token_id", 2),
    ] {
        writer.u32(key, value);
    }
    writer.f32("llama.attention.layer_norm_rms_epsilon", 1e-5);
    writer.text("tokenizer.ggml.model", "llama");
    let tokens: Vec<String> = (0..vocabulary).map(|i| format!("t{i}")).collect();
    writer.texts("tokenizer.ggml.tokens", &tokens);
    writer.f32s("tokenizer.ggml.scores", &vec![0.0; vocabulary]);
    writer.i32s("tokenizer.ggml.token_type", &vec![1; vocabulary]);
    let q = TensorFormat::Q8_0;
    writer.tensor("token_embd.weight", &[dim, vocabulary], q);
    for (name, shape) in [
        ("attn_q", [dim, dim]),
        ("attn_k", [dim, 16]),
        ("attn_v", [dim, 16]),
        ("attn_output", [dim, dim]),
        ("ffn_gate", [dim, hidden]),
        ("ffn_up", [dim, hidden]),
        ("ffn_down", [hidden, dim]),
    ] {
        writer.tensor(&format!("blk.0.{name}.weight"), &shape, q);
    }
    for name in [
        "blk.0.attn_norm.weight",
        "blk.0.ffn_norm.weight",
        "output_norm.weight",
    ] {
        writer.tensor(name, &[dim], TensorFormat::F32);
    }
    writer.file(|_, _| {})
}

#[cfg(test)]
mod tests {
    use super::*;
    use llama_model::{Model, SliceSource};

    #[test]
    fn the_seed_model_is_valid() {
        Model::open(&SliceSource(&tiny_gguf())).unwrap();
    }

    #[test]
    fn seeds_are_sound_volumes() {
        for (seed, sectors) in [(small_fat16(), 5_000), (small_fat32(), 600)] {
            let mut bytes = seed.unwrap();
            bytes.resize(sectors * 512, 0);
            let mut volume = Volume::mount(MemoryDevice::from_bytes(bytes)).unwrap();
            let report = volume.check().unwrap();
            assert_eq!(
                (report.files, report.directories, report.lost_clusters),
                (4, 1, 0)
            );
        }
    }
}
