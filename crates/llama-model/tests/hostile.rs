//! Damaged files: no panic, and no more memory than their size warrants.

mod common;

use llama_model::gguf::Gguf;
use llama_model::{Model, SliceSource, Vocabulary, llama2c};
use peak_alloc::PeakAlloc;
use proptest::prelude::*;
use std::sync::{Mutex, MutexGuard};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Peak memory is a property of the process: who measures, or uses much, does it alone.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poison| poison.into_inner())
}

/// The read window, and small things that do not depend on the file.
const FIXED_BYTES: usize = 256 * 1024;

/// Parses in every way there is; returns the peak of memory above the start, in bytes.
fn parse(bytes: &[u8]) -> usize {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let source = SliceSource(bytes);
    if let Ok(model) = Model::open(&source) {
        assert!(
            model
                .tensors
                .iter()
                .all(|t| t.offset + t.bytes <= bytes.len() as u64)
        );
        assert!(model.config.dim * 2 <= bytes.len());
    }
    if let Ok(mut file) = Gguf::parse(&source) {
        let _ = Vocabulary::from_metadata(&mut file.metadata);
    }
    let _ = llama2c::parse_tokenizer(&source, 512);
    MEMORY.peak_usage().saturating_sub(before)
}

fn check(bytes: &[u8]) {
    let peak = parse(bytes);
    let allowed = FIXED_BYTES + 16 * bytes.len();
    assert!(
        peak <= allowed,
        "{peak} bytes of memory for a file of {} bytes",
        bytes.len()
    );
}

#[derive(Debug, Clone)]
enum Damage {
    Truncate(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    /// A 64-bit field becomes absurd.
    Field(prop::sample::Index, u64),
    Remove(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        1 => at().prop_map(Damage::Truncate),
        4 => (at(), 0u8..8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        4 => (at(), prop_oneof![
            Just(u64::MAX), Just(u64::MAX / 8), Just(1 << 63), Just(1 << 32), Just(0), any::<u64>()
        ]).prop_map(|(at, value)| Damage::Field(at, value)),
        2 => (at(), 1usize..64).prop_map(|(at, count)| Damage::Remove(at, count)),
        2 => (at(), prop::collection::vec(any::<u8>(), 1..32))
            .prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
    ]
}

/// Applies one damage to the first `head` bytes, where the structure is.
fn apply(file: &mut Vec<u8>, head: usize, damage: Damage) {
    let head = head.min(file.len());
    if head < 8 {
        return;
    }
    match damage {
        Damage::Truncate(at) => file.truncate(at.index(file.len())),
        Damage::Flip(at, bit) => file[at.index(head)] ^= 1 << bit,
        Damage::Field(at, value) => {
            let at = at.index(head - 7);
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        Damage::Remove(at, count) => {
            let at = at.index(head);
            file.drain(at..(at + count).min(head));
        }
        Damage::Insert(at, bytes) => {
            let at = at.index(head);
            file.splice(at..at, bytes);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn damaged_gguf(damages in prop::collection::vec(damage(), 1..4)) {
        let mut writer = common::keys();
        common::declare(&mut writer, llama_model::TensorFormat::Q4_0);
        let head = writer.head().len();
        let mut file = writer.file(|_, _| {});
        for damage in damages {
            apply(&mut file, head, damage);
        }
        let _alone = alone();
        check(&file);
    }

    #[test]
    fn noise(mut bytes in prop::collection::vec(any::<u8>(), 0..2000), gguf in any::<bool>()) {
        if gguf && bytes.len() >= 24 {
            bytes[..8].copy_from_slice(b"GGUF\x03\0\0\0");
            bytes[9..16].fill(0);
            bytes[17..24].fill(0);
        }
        let _alone = alone();
        check(&bytes);
    }
}

#[test]
fn small_claims_of_large_things() {
    let _alone = alone();
    // 2^60 strings, 2^61 numbers, arrays in arrays in arrays.
    for (element, count) in [
        (8u32, 1u64 << 60),
        (10, 1 << 61),
        (0, u64::MAX),
        (9, 1 << 50),
    ] {
        for key in ["tokenizer.ggml.tokens", "other"] {
            let mut writer = llama_model::write::GgufWriter::new();
            let mut value = element.to_le_bytes().to_vec();
            value.extend(count.to_le_bytes());
            writer.raw(key, 9, &value);
            let file = writer.file(|_, _| {});
            assert!(Gguf::parse(&SliceSource(&file)).is_err());
            check(&file);
        }
    }
    let mut nested = 9u32.to_le_bytes().to_vec();
    for _ in 0..100_000 {
        nested.extend(1u64.to_le_bytes());
        nested.extend(9u32.to_le_bytes());
    }
    let mut writer = llama_model::write::GgufWriter::new();
    writer.raw("other", 9, &nested);
    check(&writer.file(|_, _| {}));
}
