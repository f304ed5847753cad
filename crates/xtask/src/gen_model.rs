//! Writes a GGUF file of random weights: TinyLlama's shape, or a tiny one.
//!
//! TinyLlama-1.1B's weights are in no package registry. Its shape, formats and vocabulary are what
//! loading, memory and speed depend on; the text of random weights means nothing.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use llama_model::gguf::Gguf;
use llama_model::write::synthetic::{self, Shape};
use llama_model::write::{ALIGNMENT, GgufWriter};
use llama_model::{SliceSource, TensorFormat, TokenKind, Vocabulary};

/// Rows are generated and written so many bytes at a time.
const CHUNK_BYTES: usize = 4 << 20;

/// Which file to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// TinyLlama-1.1B: Q4_0, embedding Q4_0, output Q6_K, 600 MB
    TinyLlama,
    /// A model of 2 layers for tests
    Tiny,
    /// The same with TinyLlama's tokens and chat form, 5 MB in Q4_0
    TinyChat,
}

/// Writes a model of random weights to `out`. `vocabulary` is a GGUF file to take TinyLlama's
/// tokens from; `format` is the format of a tiny model's matrices.
///
/// # Errors
/// The vocabulary cannot be read, or the file not be written.
pub fn write(kind: Kind, format: &str, vocabulary: &Path, seed: u64, out: &Path) -> Result<()> {
    let file = File::create(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let Some(format) = TensorFormat::ALL
        .into_iter()
        .find(|known| known.name() == format)
    else {
        bail!(
            "no tensor format {format}; there are {:?}",
            TensorFormat::ALL
        );
    };
    match kind {
        Kind::Tiny => file.write_all(&synthetic::tiny(format, true, seed))?,
        Kind::TinyLlama | Kind::TinyChat => {
            let mut writer = GgufWriter::new();
            copy_vocabulary(&mut writer, vocabulary)?;
            writer.text("tokenizer.chat_template", ZEPHYR);
            let (shape, output) = match kind {
                Kind::TinyLlama => (Shape::TINY_LLAMA, Some(TensorFormat::Q6_K)),
                _ => (TINY_CHAT, None),
            };
            synthetic::declare(&mut writer, &shape, format, format, output);
            stream(&writer, seed, &mut file)?;
        }
    }
    file.flush()
        .with_context(|| format!("cannot write {}", out.display()))
}

/// Of [`Kind::TinyChat`].
const TINY_CHAT: Shape = Shape {
    vocab_size: Shape::TINY_LLAMA.vocab_size,
    ..Shape::TINY
};

/// The template of TinyLlama-1.1B-Chat.
const ZEPHYR: &str = "{% for message in messages %}\n{% if message['role'] == 'user' %}\n\
    {{ '<|user|>\n' + message['content'] + eos_token }}\n{% elif message['role'] == 'system' %}\n\
    {{ '<|system|>\n' + message['content'] + eos_token }}\n\
    {% elif message['role'] == 'assistant' %}\n\
    {{ '<|assistant|>\n'  + message['content'] + eos_token }}\n{% endif %}\n\
    {% if loop.last and add_generation_prompt %}\n{{ '<|assistant|>' }}\n{% endif %}\n{% endfor %}";

fn copy_vocabulary(writer: &mut GgufWriter, path: &Path) -> Result<()> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut file = Gguf::parse(&SliceSource(&bytes))?;
    let vocabulary = Vocabulary::from_metadata(&mut file.metadata)?;
    let tokens: Vec<&str> = vocabulary.tokens.iter().collect();
    let kinds: Vec<i32> = vocabulary
        .kinds
        .iter()
        .map(|kind| match kind {
            TokenKind::Normal => 1,
            TokenKind::Unknown => 2,
            TokenKind::Control => 3,
            TokenKind::UserDefined => 4,
            TokenKind::Unused => 5,
            TokenKind::Byte => 6,
        })
        .collect();
    writer
        .text("tokenizer.ggml.model", "llama")
        .texts("tokenizer.ggml.tokens", &tokens)
        .f32s("tokenizer.ggml.scores", &vocabulary.scores)
        .i32s("tokenizer.ggml.token_type", &kinds)
        .bool("tokenizer.ggml.add_bos_token", true)
        .u32("tokenizer.ggml.bos_token_id", 1)
        .u32("tokenizer.ggml.eos_token_id", 2)
        .u32("tokenizer.ggml.unknown_token_id", 0);
    Ok(())
}

/// Writes head and tensors without holding more than one chunk.
fn stream(writer: &GgufWriter, seed: u64, out: &mut impl Write) -> Result<()> {
    out.write_all(&writer.head())?;
    for (index, (name, shape, format)) in writer.tensors().enumerate() {
        let total = GgufWriter::tensor_bytes(shape, format) as usize;
        let row = total / shape.iter().skip(1).product::<usize>();
        let rows_at_once = (CHUNK_BYTES / row).max(1);
        let mut chunk = vec![0; rows_at_once * row];
        let mut left = total;
        let mut part = 0;
        while left > 0 {
            let bytes = left.min(chunk.len());
            let seed = seed.wrapping_add((index as u64) << 32 | part);
            synthetic::fill(name, format, shape[0], seed, &mut chunk[..bytes]);
            out.write_all(&chunk[..bytes])?;
            left -= bytes;
            part += 1;
        }
        let padding = total.next_multiple_of(ALIGNMENT as usize) - total;
        out.write_all(&[0; ALIGNMENT as usize][..padding])?;
    }
    Ok(())
}
