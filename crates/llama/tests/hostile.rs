//! Damaged model files end in a message or in (senseless) text, never in a panic.

mod common;

use common::{TestMachine, data};
use llama_model::TensorFormat;
use llama_model::write::GgufWriter;
use llama_model::write::synthetic::{self, Shape};
use proptest::prelude::*;

const SMALL: Shape = Shape {
    dim: 32,
    hidden_dim: 32,
    n_layers: 1,
    n_heads: 2,
    n_kv_heads: 1,
    vocab_size: 262,
    context_length: 32,
};

/// A valid file, and the length of its head.
fn small() -> (Vec<u8>, usize) {
    let mut writer = GgufWriter::new();
    synthetic::declare_vocabulary(&mut writer, SMALL.vocab_size);
    synthetic::declare(
        &mut writer,
        &SMALL,
        TensorFormat::Q4_1,
        TensorFormat::Q8_0,
        None,
    );
    let head = writer.head().len();
    (writer.file(|_, bytes| bytes.fill(0x21)), head)
}

fn survives(file: Vec<u8>) {
    let machine = TestMachine::with_model(file);
    let (code, out) = machine.run(&["-p", "ab", "-n", "2", "--json", "--ignore-eos"]);
    match code {
        0 => assert!(
            serde_json::from_str::<serde_json::Value>(&out).is_ok(),
            "{out}"
        ),
        1 => assert!(out.starts_with("llama: ") && out.len() < 1000, "{out}"),
        _ => panic!("exit code {code}: {out}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() })]

    #[test]
    fn flipped_bits(flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..4)) {
        let (mut file, head) = small();
        for (at, bit) in flips {
            file[at.index(head)] ^= 1 << bit;
        }
        survives(file);
    }

    #[test]
    fn absurd_numbers(at: prop::sample::Index, value: u32) {
        let (mut file, head) = small();
        let at = at.index(head - 3);
        file[at..at + 4].copy_from_slice(&value.to_le_bytes());
        survives(file);
    }

    #[test]
    fn senseless_weights(seed: u8, step in 1u8..255) {
        let (mut file, head) = small();
        let mut byte = seed;
        for weight in &mut file[head..] {
            byte = byte.wrapping_mul(31).wrapping_add(step);
            *weight = byte;
        }
        survives(file);
    }

    #[test]
    fn llama2c_header(at in 0usize..28, value: u8) {
        let mut file = std::fs::read(data("stories260K.bin")).unwrap();
        file[at] = value;
        let machine = TestMachine::with_model(file);
        let arguments = ["-p", "Once", "-n", "1", "--json", "--tokenizer", &data("tok512.bin")];
        let (code, out) = machine.run(&arguments);
        prop_assert!(code == 0 || out.starts_with("llama: "), "{}", out);
    }

    #[test]
    fn llama2c_tokenizer(at: prop::sample::Index, value: u8, keep: prop::sample::Index) {
        let mut tokenizer = std::fs::read(data("tok512.bin")).unwrap();
        let index = at.index(tokenizer.len());
        tokenizer[index] = value;
        if value % 2 == 0 {
            tokenizer.truncate(keep.index(tokenizer.len()));
        }
        let mut machine = TestMachine::default();
        machine.files.push(("/tok".into(), tokenizer));
        let model = data("stories260K.bin");
        let (code, out) = machine.run(&["-m", &model, "-p", "Once", "-n", "1", "--tokenizer", "/tok"]);
        prop_assert!(code == 0 || out.contains("llama: "), "{}", out);
    }
}
