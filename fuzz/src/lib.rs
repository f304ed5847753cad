//! What the fuzz targets do with a run of bytes: parse it, use what was accepted, check what was promised.
#![forbid(unsafe_code)]

mod image;
mod kept;
mod volume;

use formats::elf::Executable;
use formats::{boot, flud, llbc, options};
use llama_model::{Model, SliceSource, llama2c};

pub use image::{cold, link};
pub use kept::{profile, records, slots, snap};
pub use volume::fat;

/// The head of a payload's file, which may be larger than what is there of it.
pub fn elf(data: &[u8]) {
    let Some((&more, head)) = data.split_first() else {
        return;
    };
    let bytes = head.len() as u64 + u64::from(more) * 4096;
    if let Ok(executable) = Executable::parse(head, bytes) {
        let _ = executable.end();
        for segment in &executable.segments {
            assert!(segment.end() <= executable.end(), "{segment:?}");
        }
        let cold = executable.segments.iter().filter(|segment| segment.cold);
        assert_eq!(executable.cold_offset().is_some(), cold.count() > 0);
        let _ = executable.check_cold(bytes);
    }
}

/// A model file (GGUF or llama2.c) and a llama2.c tokenizer. An accepted tensor lies inside the file.
pub fn gguf(data: &[u8]) {
    let source = SliceSource(data);
    if let Ok(model) = Model::open(&source) {
        for tensor in model.tensors.iter() {
            let end = tensor.offset.checked_add(tensor.bytes);
            assert!(
                end.is_some_and(|end| end <= data.len() as u64),
                "{tensor:?}"
            );
        }
    }
    if let Some((&size, rest)) = data.split_first() {
        // The error is a fine answer; a panic is not.
        let _ = llama2c::parse_tokenizer(&SliceSource(rest), size.into());
    }
}

/// A module, as it is and with its hashes made right, so that what lies behind them is reached.
pub fn llbc(data: &[u8]) {
    check_llbc(data);
    const HEADER: usize = 104;
    if data.len() < HEADER {
        return;
    }
    let mut signed = data.to_vec();
    let field =
        |at: usize| u32::from_le_bytes([data[at], data[at + 1], data[at + 2], data[at + 3]]);
    let strings_end = HEADER.saturating_add(field(24) as usize).min(data.len());
    let bitcode_at = strings_end.next_multiple_of(llbc::ALIGN).min(data.len());
    signed[40..72].copy_from_slice(blake3::hash(&data[bitcode_at..]).as_bytes());
    let mut hasher = blake3::Hasher::new();
    hasher.update(&signed[..72]);
    hasher.update(&signed[HEADER..strings_end]);
    signed[72..104].copy_from_slice(hasher.finalize().as_bytes());
    check_llbc(&signed);
}

fn check_llbc(data: &[u8]) {
    if let Ok(module) = llbc::parse(data) {
        let again = llbc::encode(
            module.name,
            module.entry,
            &module.imports,
            &module.exports,
            module.bitcode,
        );
        assert_eq!(
            again.as_deref(),
            Ok(data),
            "an accepted module is what encode writes"
        );
    }
}

/// What boot loaders hand over: the FLUD header and kernel, `hvm_start_info`.
pub fn boot(data: &[u8]) {
    if let Ok(header) = flud::Header::parse(data) {
        assert_eq!(header.encode(), data[..flud::HEADER_BYTES]);
        let _ = header.verify(&data[flud::HEADER_BYTES..]);
    }
    let _ = boot::StartInfo::parse(data);
    let mut info = boot::BootInfo::new(boot::BootPath::Pvh);
    for entry in data.chunks_exact(boot::MEMORY_MAP_ENTRY_BYTES) {
        let Ok(entry) = entry.try_into() else { return };
        let region = boot::MemoryRegion::parse_hvm_entry(entry);
        info.push_region(region.base, region.bytes, region.kind);
    }
    assert!(info.regions().len() + info.dropped_regions() <= data.len());
    let _ = info.usable_bytes();
    info.set_command_line(data);
    assert!(info.command_line().len() <= boot::MAX_COMMAND_LINE_BYTES);
}

/// Kernel options and arguments in all their spellings. What was read survives being written.
pub fn options(data: &[u8]) {
    let _ = options::parse_config(data);
    if let Ok(arguments) = options::parse_nul_args(data)
        && !arguments.is_empty()
    {
        assert_eq!(
            options::parse_nul_args(&options::encode_nul_args(&arguments)),
            Ok(arguments)
        );
    }
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let _ = options::parse_command_line(text);
    if let Ok(words) = options::split_words(text) {
        let line: Vec<_> = words.iter().map(|w| options::quote_word(w)).collect();
        assert_eq!(options::split_words(&line.join(" ")), Ok(words));
    }
}
