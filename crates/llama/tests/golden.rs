//! The text of known models: token for token, or by teacher forcing.

mod common;

use common::{TestMachine, data, golden, ids, smollm2};

#[test]
fn stories260k_greedy() {
    let expected = golden("stories260K_golden.json");
    for threads in ["1", "2"] {
        let out = TestMachine::default().json(&[
            "--model",
            &data("stories260K.bin"),
            "--prompt",
            "",
            "-n",
            "256",
            "--temperature",
            "0",
            "--json",
            "--threads",
            threads,
        ]);
        assert_eq!(ids(&out["prompt_ids"]), ids(&expected["prompt_tokens"]));
        assert_eq!(
            ids(&out["generated_ids"]),
            ids(&expected["completion_tokens"])
        );
        assert!(
            out["text"]
                .as_str()
                .unwrap()
                .starts_with(" Once upon a time")
        );
    }
}

/// llama.cpp's choice must be within this many logits of our best.
const NEAR: f64 = 0.25;
/// Share of positions where our best is llama.cpp's.
const AGREEMENT: f64 = 0.97;

#[test]
fn smollm2_without_near_ties() {
    let Some(model) = smollm2() else { return };
    let cases = golden("smollm2-135m-q4_1.json");
    let case = cases
        .as_array()
        .unwrap()
        .iter()
        .find(|case| case["prompt"] == "1, 2, 3, 4,");
    let case = case.unwrap();
    let out = TestMachine::default().json(&[
        "--model",
        &model,
        "--prompt",
        "1, 2, 3, 4,",
        "-n",
        "64",
        "--temperature",
        "0",
        "--json",
        "--ignore-eos",
    ]);
    assert_eq!(ids(&out["prompt_ids"]), ids(&case["prompt_tokens"]));
    assert_eq!(ids(&out["generated_ids"]), ids(&case["completion_tokens"]));
}

#[test]
fn smollm2_teacher_forcing() {
    let Some(model) = smollm2() else { return };
    let (mut same, mut positions) = (0, 0);
    let mut worst = 0.0f64;
    for case in golden("smollm2-135m-q4_1.json").as_array().unwrap() {
        let prompt = ids(&case["prompt_tokens"]);
        let completion = ids(&case["completion_tokens"]);
        let all: Vec<String> = prompt
            .iter()
            .chain(&completion)
            .map(u32::to_string)
            .collect();
        let out = TestMachine::default().json(&["--model", &model, "--eval", &all.join(",")]);
        let judged = out["positions"].as_array().unwrap();
        assert_eq!(judged.len(), all.len() - 1);
        assert!(out["perplexity"].as_f64().unwrap() < 100.0);
        for (judgement, &token) in judged[prompt.len() - 1..].iter().zip(&completion) {
            assert_eq!(judgement["token"], token);
            let number = |key: &str| judgement[key].as_f64().unwrap();
            let behind = number("top1_logit") - number("logit");
            worst = worst.max(behind);
            assert!(
                behind <= NEAR,
                "{behind} behind at {}: {:?}",
                judgement,
                case["prompt"]
            );
            positions += 1;
            same += usize::from(judgement["top1"] == token);
        }
    }
    let agreement = same as f64 / positions as f64;
    eprintln!("{same} of {positions} the same, at worst {worst} logits behind");
    assert_eq!(positions, 8 * 64);
    assert!(agreement >= AGREEMENT, "{same} of {positions}");
}
