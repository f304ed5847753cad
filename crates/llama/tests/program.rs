//! What the program does with its arguments, its console and its limits.

mod common;

use common::{TestMachine, data, ids};
use llama::machine::Input;
use llama_model::TensorFormat;
use llama_model::write::GgufWriter;
use llama_model::write::synthetic::{self, Shape};

fn tiny() -> TestMachine {
    TestMachine::with_model(synthetic::tiny(TensorFormat::Q4_0, true, 1))
}

/// A tiny model with a chat template.
fn tiny_chat(template: &str) -> TestMachine {
    let mut writer = GgufWriter::new();
    synthetic::declare_vocabulary(&mut writer, Shape::TINY.vocab_size);
    writer.text("tokenizer.chat_template", template);
    let format = TensorFormat::F16;
    synthetic::declare(&mut writer, &Shape::TINY, format, format, None);
    let tensors: Vec<_> = writer
        .tensors()
        .map(|(name, shape, format)| (name.to_owned(), format, shape[0]))
        .collect();
    let mut tensors = tensors.into_iter();
    TestMachine::with_model(writer.file(|name, bytes| {
        let (_, format, columns) = tensors.next().unwrap();
        synthetic::fill(name, format, columns, 5, bytes);
    }))
}

const ZEPHYR: &str = "{{ '<|user|>' + eos_token + '<|assistant|>' }}";

#[test]
fn help_and_mistakes() {
    let machine = TestMachine::default();
    let (code, out) = machine.run(&["--help"]);
    assert!(code == 0 && out.contains("--temperature") && out.contains("Examples"));
    let (code, out) = machine.run(&["--temprature", "1"]);
    assert_eq!(
        (code, out.as_str()),
        (
            2,
            "llama: there is no option --temprature: did you mean --temperature?\n"
        )
    );
    let (code, out) = machine.run(&["--prompt", "x"]);
    assert!(
        code == 1 && out.contains("/model/model.gguf") && out.contains("--model"),
        "{out}"
    );
    let (code, out) = machine.run(&["--prompt", "x", "--model", &data("tok512.bin")]);
    assert!(
        code == 1 && out.contains("tok512.bin: this is not a model"),
        "{out}"
    );
}

#[test]
fn llama2c_finds_its_tokenizer() {
    let model = data("stories260K.bin");
    let beside = TestMachine::default();
    assert_eq!(beside.run(&["-m", &model, "-p", "Once", "-n", "2"]).0, 0);
    let (code, out) = beside.run(&[
        "-m",
        &model,
        "-p",
        "Once",
        "--tokenizer",
        "/nowhere/tokenizer.bin",
    ]);
    assert!(code == 1 && out.contains("/nowhere/tokenizer.bin"), "{out}");
    let alone = TestMachine::with_model(std::fs::read(&model).unwrap());
    let (code, out) = alone.run(&["-p", "Once"]);
    assert!(code == 1 && out.contains("--tokenizer"), "{out}");
}

#[test]
fn every_format_generates() {
    for format in TensorFormat::ALL {
        for tied in [true, false] {
            let machine = TestMachine::with_model(synthetic::tiny(format, tied, 3));
            let out = machine.json(&["-p", "ab", "-n", "5", "--ignore-eos", "--json"]);
            assert_eq!(ids(&out["generated_ids"]).len(), 5, "{format}");
            assert_eq!(out["timings"]["generate_steps"], 4);
            assert!(out["timings"]["first_token_at_ms"].is_number());
            assert_eq!(out["timings"]["token_ms"].as_array().unwrap().len(), 4);
        }
    }
}

#[test]
fn the_seed_decides() {
    let run = |seed: &str| {
        let out = tiny().json(&[
            "-p",
            "ab",
            "-n",
            "20",
            "--ignore-eos",
            "--json",
            "--seed",
            seed,
        ]);
        assert_eq!(out["seed"].to_string(), seed);
        ids(&out["generated_ids"])
    };
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
    let machine = tiny();
    let unseeded = || {
        let out = machine.json(&["-p", "ab", "-n", "20", "--ignore-eos", "--json"]);
        (out["seed"].to_string(), ids(&out["generated_ids"]))
    };
    let (seed, first) = unseeded();
    assert_ne!(first, unseeded().1);
    assert_eq!(first, run(&seed));
}

#[test]
fn batches_threads_and_steps_agree() {
    let long: String = "ab cd ".repeat(15);
    let greedy = |arguments: &[&str]| {
        let mut all = vec!["-p", &long, "--temperature", "0", "--ignore-eos", "--json"];
        all.extend(arguments);
        ids(&tiny().json(&all)["generated_ids"])
    };
    let text = greedy(&["-n", "20"]);
    assert_eq!(greedy(&["-n", "20", "--threads", "1"]), text);
    assert_eq!(greedy(&["-n", "20", "--threads", "1000"]), text);
    // The same tokens through evaluation: every one was the best at its place.
    let prompt = ids(&tiny().json(&["-p", &long, "-n", "1", "--json"])["prompt_ids"]);
    assert!(prompt.len() > 65, "more than one batch");
    let all: Vec<String> = prompt.iter().chain(&text).map(u32::to_string).collect();
    let judged = tiny().json(&["--eval", &all.join(",")]);
    for judgement in &judged["positions"].as_array().unwrap()[prompt.len() - 1..] {
        assert_eq!(judgement["top1"], judgement["token"]);
        assert_eq!(judgement["top1_logit"], judgement["logit"]);
    }
    let by_text = tiny().json(&["--eval-text", &long]);
    assert_eq!(ids(&by_text["tokens"]), prompt);
}

#[test]
fn the_context_ends_with_a_message() {
    let arguments = [
        "-p",
        "ab",
        "-n",
        "0",
        "--ignore-eos",
        "--context",
        "16",
        "--temperature",
        "0",
    ];
    let (code, out) = tiny().run(&arguments);
    assert_eq!(code, 0);
    assert!(
        out.contains("the context is full") && out.contains("--context"),
        "{out}"
    );
    let out = tiny().json(&[&arguments[..], &["--json"]].concat());
    assert_eq!(out["stop"], "context full");
    let short = ids(&out["generated_ids"]);
    // 16 positions are read and one more token is chosen after the last.
    assert_eq!(short.len(), 17 - ids(&out["prompt_ids"]).len());
    let long = tiny().json(&[
        "-p",
        "ab",
        "-n",
        "40",
        "--ignore-eos",
        "--temperature",
        "0",
        "--json",
    ]);
    assert_eq!(ids(&long["generated_ids"])[..short.len()], short);

    let (code, out) = tiny().run(&["-p", "ab ab ab ab ab", "--context", "4"]);
    assert!(code == 1 && out.contains("room for 4"), "{out}");
    let (code, out) = tiny().run(&["-p", "ab", "--context", "100000"]);
    assert!(code == 1 && out.contains("128 positions"), "{out}");
    let (code, out) = tiny().run(&["-p", "ab", "--context", "0"]);
    assert!(code == 1 && out.contains("at least 1"), "{out}");
    let many = vec!["5"; 20].join(",");
    let (code, out) = tiny().run(&["--eval", &many, "--context", "8"]);
    assert!(code == 1 && out.contains("room for 8"), "{out}");
}

#[test]
fn evaluation_refuses_what_it_cannot_judge() {
    let (code, out) = tiny().run(&["--eval", "5"]);
    assert!(code == 1 && out.contains("at least 2"), "{out}");
    let (code, out) = tiny().run(&["--eval", "5,320"]);
    assert!(code == 1 && out.contains("token 320"), "{out}");
}

#[test]
fn ctrl_c_stops_a_generation() {
    let machine = tiny();
    machine.interrupt_after.set(Some(6));
    let out = machine.json(&["-p", "ab", "-n", "50", "--ignore-eos", "--json"]);
    assert_eq!(out["stop"], "interrupted");
    assert_eq!(ids(&out["generated_ids"]).len(), 5);
    machine.interrupt_after.set(Some(0));
    let (code, out) = machine.run(&["-p", "ab"]);
    assert!(
        code == 0 && out.contains("[interrupted; prompt: 0 tokens"),
        "{out}"
    );
    machine.interrupt_after.set(Some(0));
    assert_eq!(machine.json(&["-p", "ab", "--json"])["stop"], "interrupted");
}

#[test]
fn conversation() {
    let machine =
        tiny_chat(ZEPHYR).typing(&["hi", "", "/help", "again", "/new", "hi", "/exit", "x"]);
    let arguments = ["-n", "6", "--ignore-eos", "--temperature", "0", "--stats"];
    let (code, out) = machine.run(&arguments);
    assert_eq!(code, 0, "{out}");
    assert!(
        out.contains("Ctrl-C stops") && out.contains("[a new conversation]"),
        "{out}"
    );
    assert!(out.contains("2 layers, width 256"), "{out}");
    let answers: Vec<&str> = out.split("\n> ").collect();
    assert_eq!(answers.len(), 8, "{out}");
    // The same question in a new conversation has the same answer.
    assert_eq!(answers[1].lines().next(), answers[6].lines().next());
    assert_eq!(*machine.input.borrow(), [Input::Line("x".into())]);

    // Ctrl-C during an answer, then at the prompt, then the end of input.
    let machine = tiny_chat(ZEPHYR).typing(&["hi"]);
    machine.input.borrow_mut().push_front(Input::Interrupted);
    machine.interrupt_after.set(Some(4));
    let (code, out) = machine.run(&["--ignore-eos"]);
    assert!(code == 0 && out.contains("[interrupted; prompt:"), "{out}");
}

#[test]
fn conversation_fills_the_context() {
    let lines = ["hi there"; 12];
    let machine = tiny_chat(ZEPHYR).typing(&lines);
    let (code, out) = machine.run(&["-n", "8", "--ignore-eos"]);
    assert_eq!(code, 0);
    assert!(
        out.contains("the conversation is full") && out.contains("/new"),
        "{out}"
    );
}

#[test]
fn chat_needs_a_template() {
    let (code, out) = tiny().run(&["--chat"]);
    assert!(code == 1 && out.contains("no chat template"), "{out}");
    let (code, _) = tiny().run(&["--chat", "--prompt", "x"]);
    assert_eq!(code, 1);
    // Without --chat it completes.
    let (code, out) = tiny().typing(&["ab"]).run(&["-n", "3"]);
    assert!(code == 0 && out.contains("continues it"), "{out}");
    let asked = tiny_chat(ZEPHYR).json(&["--chat", "-p", "hi", "-n", "3", "--json"]);
    let completed = tiny_chat(ZEPHYR).json(&["-p", "hi", "-n", "3", "--json"]);
    assert!(ids(&asked["prompt_ids"]).len() > ids(&completed["prompt_ids"]).len());
}
