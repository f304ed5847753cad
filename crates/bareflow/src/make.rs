//! `bareflow build` and `bareflow llm`: gathers what an image holds and has it written.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use formats::slots::{self, FileRef};

use crate::cli::{BuildArgs, Compression, LayoutArgs, LlmArgs};
use crate::guest::{self, GuestModule, c_library};
use crate::image::{ImageBuilder, memory, progress};
use crate::{Artifacts, Error, llm};

/// The runtime's place on the image.
const RUNTIME: &str = slots::BASE_PATH;
/// Size of the record store of a language model, in MiB.
const LLM_STORE_MIB: u64 = 32;
/// Size of the record store of other programs, in MiB.
const BUILD_STORE_MIB: u64 = 4;
/// The guest program that runs language models, among the artefacts.
const LLAMA: &str = "llama";

/// Makes the image of `bareflow build`. Setting `cancelled` stops the work and leaves no image.
///
/// # Errors
/// What is wrong with the sources, the files or the arguments, or why the image cannot be written.
pub fn build(args: &BuildArgs, artifacts: &Artifacts, cancelled: &AtomicBool) -> Result<(), Error> {
    let cflags = [c_library::flags(artifacts), args.clang_options()].concat();
    let mut modules = guest::modules(&args.sources, &cflags)?;
    guest::add_c_library(&mut modules, artifacts)?;
    c_library::add(&mut modules, artifacts, args.checked_heap)?;
    let files = args
        .files
        .iter()
        .map(|f| parse_file(f))
        .collect::<Result<Vec<_>, _>>()?;
    write(
        &args.output,
        &modules,
        &files,
        &args.arguments,
        &args.layout,
        BUILD_STORE_MIB,
        artifacts,
        cancelled,
    )
}

/// Makes the image of `bareflow llm`, after the model was checked.
///
/// # Errors
/// What is wrong with the model, or why the image cannot be written.
pub fn llm(args: &LlmArgs, artifacts: &Artifacts, cancelled: &AtomicBool) -> Result<(), Error> {
    let checked = llm::check(&args.model, args.tokenizer.as_deref())?;
    let modules: Vec<GuestModule> = artifacts
        .modules(LLAMA)?
        .into_iter()
        .map(|(file, container)| GuestModule { file, container })
        .collect();
    let mut arguments = checked.arguments;
    arguments.extend(args.arguments.iter().cloned());
    write(
        &args.output,
        &modules,
        &checked.files,
        &arguments,
        &args.layout,
        LLM_STORE_MIB,
        artifacts,
        cancelled,
    )
}

/// Writes the image, with progress on the terminal.
#[expect(
    clippy::too_many_arguments,
    reason = "the two commands differ in exactly these"
)]
fn write(
    output: &Path,
    modules: &[GuestModule],
    files: &[(PathBuf, String)],
    arguments: &[String],
    layout: &LayoutArgs,
    default_store_mib: u64,
    artifacts: &Artifacts,
    cancelled: &AtomicBool,
) -> Result<(), Error> {
    let mut image = ImageBuilder::new(
        artifacts.read("stage1.bin")?,
        artifacts.read("stage2.bin")?,
        artifacts.read("kernel.elf")?,
    )?;
    image.set_free_bytes(layout.free << 20);
    let base = add_runtime(&mut image, layout.compress, artifacts)?;
    let store = layout.store.unwrap_or(default_store_mib) << 20;
    memory::add(&mut image, store, base, artifacts)?;
    if let Some(loader) = artifacts.optional("BOOTX64.EFI") {
        image.add_file("/EFI/BOOT/BOOTX64.EFI", loader);
    }
    // What the machine needs to export its program by itself.
    if let Some(support) = artifacts.optional("native.llbc") {
        image.add_file("/boot/native.llbc", support);
    }
    if !layout.kernel_options.is_empty() {
        let line = formats::options::parse_command_line(&layout.kernel_options).map_err(|e| {
            Error::KernelOptions {
                what: e.to_string(),
            }
        })?;
        if let Some(problem) = line.problems.first() {
            return Err(Error::KernelOptions {
                what: problem.to_string(),
            });
        }
        image.add_bytes("/boot/bareflow.cfg", format!("{}\n", layout.kernel_options));
    }
    for module in modules {
        image.add_bytes(format!("/app/{}", module.file), module.container.clone());
    }
    if !arguments.is_empty() {
        image.add_bytes("/app/args", argument_lines(arguments)?);
    }
    for (host, guest) in files {
        image.add_file(guest, host);
    }
    let summary = progress::write(&image, output, cancelled)?;
    eprintln!(
        "bareflow: {}: {:.1} MB, {:?}, {} files; next: bareflow run {}",
        output.display(),
        summary.bytes as f64 / 1e6,
        summary.kind,
        summary.files,
        output.display()
    );
    Ok(())
}

/// The runtime, as it is or compressed; the kernel tells by its first bytes. Gives what the slot table says of it.
fn add_runtime(
    image: &mut ImageBuilder,
    compression: Compression,
    artifacts: &Artifacts,
) -> Result<FileRef, Error> {
    let path = artifacts.path("runtime.elf")?;
    let packed = |e: std::io::Error| Error::io("compress", &path, e);
    let bytes = match compression {
        Compression::None => {
            let content = artifacts.read("runtime.elf")?;
            image.add_file(RUNTIME, &path);
            return Ok(FileRef::describe(RUNTIME, &content)?);
        }
        Compression::Lz4 => {
            let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
            std::io::Write::write_all(&mut frame, &artifacts.read("runtime.elf")?)
                .map_err(packed)?;
            frame
                .finish()
                .map_err(|e| packed(std::io::Error::other(e)))?
        }
        Compression::Zstd => {
            let content = artifacts.read("runtime.elf")?;
            zstd::encode_all(&content[..], 19).map_err(packed)?
        }
    };
    let described = FileRef::describe(RUNTIME, &bytes)?;
    image.add_bytes(RUNTIME, bytes);
    Ok(described)
}

/// `HOST:/GUEST`
fn parse_file(text: &str) -> Result<(PathBuf, String), Error> {
    // The last colon: host paths may have one, paths on the image may not.
    match text.rsplit_once(':') {
        Some((host, guest)) if !host.is_empty() && guest.len() > 1 && guest.starts_with('/') => {
            Ok((host.into(), guest.to_owned()))
        }
        _ => Err(Error::BadFile { text: text.into() }),
    }
}

/// The content of `/app/args`: an argument a line.
fn argument_lines(arguments: &[String]) -> Result<String, Error> {
    let mut lines = String::new();
    for argument in arguments {
        if argument.is_empty() || argument.contains(['\n', '\r', '\0']) {
            return Err(Error::BadArgument {
                argument: argument.clone(),
            });
        }
        lines.push_str(argument);
        lines.push('\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_host_and_guest() {
        assert_eq!(parse_file("a:b:/c").unwrap(), ("a:b".into(), "/c".into()));
        for wrong in ["a", "a:", "a:b", ":/c", "a:/"] {
            let error = parse_file(wrong).unwrap_err().to_string();
            assert!(error.contains("HOST:/GUEST"), "{error}");
        }
    }

    #[test]
    fn arguments_are_lines() {
        let lines =
            |a: &[&str]| argument_lines(&a.iter().map(|s| s.to_string()).collect::<Vec<_>>());
        assert_eq!(lines(&["--a", "b c"]).unwrap(), "--a\nb c\n");
        assert!(lines(&["a\nb"]).is_err());
        assert!(lines(&[""]).is_err());
    }
}
