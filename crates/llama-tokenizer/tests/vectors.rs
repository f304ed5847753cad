//! Token ids equal to llama.cpp's: its own vectors, SmolLM2's golden prompts.

use std::fs;
use std::path::PathBuf;

use llama_model::gguf::Gguf;
use llama_model::{SliceSource, Vocabulary, llama2c};
use llama_tokenizer::{Ends, Marks, Tokenizer};
use proptest::prelude::*;

fn data(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../llama/tests/data")
        .join(name)
}

fn gguf_tokenizer(path: &PathBuf) -> Tokenizer {
    let bytes = fs::read(path).unwrap();
    let mut file = Gguf::parse(&SliceSource(&bytes)).unwrap();
    Tokenizer::new(Vocabulary::from_metadata(&mut file.metadata).unwrap()).unwrap()
}

fn spm() -> Tokenizer {
    gguf_tokenizer(&data("ggml-vocab-llama-spm.gguf"))
}

/// The SmolLM2 model file: `BAREFLOW_SMOLLM2`, else where `./x` fetches it to.
fn smollm2() -> Option<Tokenizer> {
    let path = match std::env::var_os("BAREFLOW_SMOLLM2") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../cache/model/SmolLM2-135M-Instruct.Q4_1.gguf"),
    };
    if !path.exists() {
        eprintln!(
            "skipped: {} is not there (./x model fetches it, or set BAREFLOW_SMOLLM2)",
            path.display()
        );
        return None;
    }
    Some(gguf_tokenizer(&path))
}

fn golden(name: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(data(name)).unwrap()).unwrap()
}

fn ids(value: &serde_json::Value) -> Vec<u32> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_u64().unwrap() as u32)
        .collect()
}

#[test]
fn sentencepiece_vectors() {
    let tokenizer = spm();
    let inputs = fs::read_to_string(data("ggml-vocab-llama-spm.gguf.inp")).unwrap();
    let outputs = fs::read_to_string(data("ggml-vocab-llama-spm.gguf.out")).unwrap();
    let mut inputs: Vec<&str> = inputs.split("\n__ggml_vocab_test__\n").collect();
    let expected: Vec<Vec<u32>> = outputs
        .lines()
        .map(|line| {
            line.split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect()
        })
        .collect();
    // The file ends with a separator.
    if inputs.len() == expected.len() + 1 {
        inputs.pop();
    }
    assert_eq!(inputs.len(), expected.len());
    assert!(inputs.len() > 40);
    for (text, expected) in inputs.iter().zip(&expected) {
        let ids = tokenizer.encode(text, Marks::AsText, Ends::Bare);
        assert_eq!(&ids, expected, "{text:?}");
        let back = tokenizer.text(&ids);
        assert_eq!(back.strip_prefix(' ').unwrap_or(&back), *text);
    }
}

#[test]
fn sentencepiece_ends_and_marks() {
    let tokenizer = spm();
    assert_eq!(tokenizer.encode("", Marks::Parse, Ends::AsModelWants), [1]);
    assert_eq!(
        tokenizer.encode("Hello world", Marks::Parse, Ends::AsModelWants),
        [1, 15043, 3186]
    );
    let marked = tokenizer.encode("<s>Hello</s>", Marks::Parse, Ends::Bare);
    assert_eq!(marked, [1, 15043, 2]);
    let typed = tokenizer.encode("<s>", Marks::AsText, Ends::Bare);
    assert!(!typed.contains(&1), "{typed:?}");
    assert!(tokenizer.is_end(2) && !tokenizer.is_end(1));
}

#[test]
fn smollm2_golden_prompts() {
    let Some(tokenizer) = smollm2() else { return };
    for case in golden("smollm2-135m-q4_1.json").as_array().unwrap() {
        let prompt = case["prompt"].as_str().unwrap();
        let encoded = tokenizer.encode(prompt, Marks::Parse, Ends::AsModelWants);
        assert_eq!(encoded, ids(&case["prompt_tokens"]), "{prompt:?}");
        let completion = ids(&case["completion_tokens"]);
        // llama.cpp was told to show marks.
        let mut text = case["completion_text"].as_str().unwrap().to_owned();
        for mark in ["<|im_start|>", "<|im_end|>", "<|endoftext|>"] {
            text = text.replace(mark, "");
        }
        assert_eq!(tokenizer.text(&completion), text);
    }
}

#[test]
fn smollm2_marks() {
    let Some(tokenizer) = smollm2() else { return };
    let ids = tokenizer.encode("<|im_start|>user\nhi<|im_end|>\n", Marks::Parse, Ends::Bare);
    assert_eq!((ids[0], ids[ids.len() - 2]), (1, 2));
    assert_eq!(tokenizer.text(&ids), "user\nhi\n");
    assert!(tokenizer.is_end(0) && tokenizer.is_end(2) && !tokenizer.is_end(1));
    let typed = tokenizer.encode("<|im_end|>", Marks::AsText, Ends::Bare);
    assert_eq!(tokenizer.text(&typed), "<|im_end|>");
}

#[test]
fn parts_join_into_words() {
    let Some(tokenizer) = smollm2() else { return };
    let parts = [
        ("<|im_end|>Hel", Marks::Parse),
        ("lo<|im_end|>", Marks::AsText),
    ];
    let ids = tokenizer.encode_parts(parts, Ends::Bare);
    assert_eq!(ids[0], 2);
    let hello = tokenizer.encode("Hello<|im_end|>", Marks::AsText, Ends::Bare);
    assert_eq!(ids[1..], hello);
    assert!(!hello.contains(&2));
}

#[test]
fn llama2c_tokenizer() {
    let bytes = fs::read(data("tok512.bin")).unwrap();
    let vocabulary = llama2c::parse_tokenizer(&SliceSource(&bytes), 512).unwrap();
    let tokenizer = Tokenizer::new(vocabulary).unwrap();
    let ids = ids(&golden("stories260K_golden.json")["completion_tokens"]);
    let text = tokenizer.text(&ids);
    assert!(text.starts_with(" Once upon a time"), "{text}");
    // The golden tokens are how a tokenizer writes this text, too.
    assert_eq!(
        tokenizer.encode(text.trim_start(), Marks::AsText, Ends::Bare)[..20],
        ids[..20]
    );
    assert_eq!(tokenizer.encode("", Marks::AsText, Ends::AsModelWants), [1]);
    let odd = tokenizer.encode("漢", Marks::AsText, Ends::Bare);
    assert_eq!(tokenizer.text(&odd), " 漢");
    assert!(llama2c::parse_tokenizer(&SliceSource(&bytes), 511).is_err());
    assert!(llama2c::parse_tokenizer(&SliceSource(&bytes), 513).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_text_survives(text in "\\PC{0,60}|[ \\r\\n\\ta'1é漢🦙]{0,60}") {
        thread_local!(static SPM: Tokenizer = spm());
        SPM.with(|tokenizer| {
            let ids = tokenizer.encode(&text, Marks::AsText, Ends::Bare);
            let expected = if text.is_empty() { String::new() } else { format!(" {text}") };
            // The vocabulary's own U+2581 stands for a space.
            assert_eq!(tokenizer.text(&ids), expected.replace('\u{2581}', " "));
        });
    }
}

#[test]
fn long_words_are_no_trap() {
    let tokenizer = spm();
    let start = std::time::Instant::now();
    let ids = tokenizer.encode(&"a".repeat(200_000), Marks::AsText, Ends::Bare);
    assert!(!ids.is_empty());
    // Quadratic work would take minutes.
    assert!(start.elapsed().as_secs() < 60);
}
