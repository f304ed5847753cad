//! The network against its plain form: the same formats, summed number by number.

mod common;

use common::{TestFile, TestMachine, plain::Plain};
use llama::load::Loaded;
use llama::options::Options;
use llama_model::write::synthetic;
use llama_model::{Model, TensorFormat};

/// Greatest difference of two lists, over the spread of the first.
fn difference(expected: &[f32], found: &[f32]) -> f32 {
    assert_eq!(expected.len(), found.len());
    let mean = expected.iter().sum::<f32>() / expected.len() as f32;
    let variance = expected
        .iter()
        .map(|x| (x - mean) * (x - mean))
        .sum::<f32>();
    let spread = (variance / expected.len() as f32).sqrt();
    let largest = expected
        .iter()
        .zip(found)
        .map(|(x, y)| (x - y).abs())
        .fold(0.0, f32::max);
    largest / spread
}

#[test]
fn every_format_agrees_with_plain_floats() {
    for format in TensorFormat::ALL {
        for tied in [true, false] {
            let bytes = synthetic::tiny(format, tied, 11);
            let file = TestFile::Memory(bytes.clone());
            let model = Model::open(&file).unwrap();
            let mut plain = Plain::load(&file, &model, &mut |_, _| ()).unwrap();
            let machine = TestMachine::with_model(bytes);
            let options = Options::parse(&["-p".into(), "x".into()]).unwrap();
            let mut loaded = Loaded::load(&machine, &options, &mut |_, _| ()).unwrap();
            let tokens: Vec<u32> = (0..40).map(|index| (index * 37 + 5) % 320).collect();
            let all = loaded.transformer.forward_all(&tokens).unwrap().to_vec();
            for (token, found) in tokens.iter().zip(all.chunks_exact(320)) {
                let expected = plain.step(*token);
                let difference = difference(&expected, found);
                // Half precision in the KV cache is what remains.
                assert!(difference < 0.01, "{format}, tied {tied}: {difference}");
            }
            // A batch is the same, to the bit, as its tokens one by one.
            loaded.transformer.reset();
            for (token, found) in tokens.iter().zip(all.chunks_exact(320)) {
                assert_eq!(loaded.transformer.forward(&[*token]).unwrap(), found);
            }
            // Forgetting and reading again gives the same.
            loaded.transformer.truncate(20);
            let again = loaded.transformer.forward(&tokens[20..]).unwrap();
            assert_eq!(again, &all[39 * 320..]);
        }
    }
}
