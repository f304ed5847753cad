//! What a model file means, and what each kind of damage is called.

mod common;

use common::{DIM, KV_DIM, VOCAB, declare, file, keys};
use llama_model::TensorFormat::{F16, F32, Q4_0, Q6_K, Q8_0};
use llama_model::write::GgufWriter;
use llama_model::{FileFormat, Model, ModelError, RopeScaling, SliceSource, VocabularyKind};

fn open(bytes: &[u8]) -> Result<Model, ModelError> {
    Model::open(&SliceSource(bytes))
}

fn open_keys(writer: &GgufWriter) -> Result<Model, ModelError> {
    let mut writer = writer.clone();
    declare(&mut writer, F16);
    open(&writer.file(|_, _| {}))
}

#[test]
fn a_valid_file_opens() {
    let model = open(&file()).unwrap();
    assert_eq!(model.format, FileFormat::Gguf);
    assert_eq!(model.name.as_deref(), Some("tiny"));
    assert_eq!(model.config.dim, DIM);
    assert_eq!(model.config.head_dim, 16);
    assert_eq!(model.config.rope_dims, 16);
    assert_eq!(model.config.kv_dim(), KV_DIM);
    assert_eq!(model.config.vocab_size, VOCAB);
    assert_eq!(model.config.rope_base, 10_000.0);
    let vocabulary = model.vocabulary.as_ref().unwrap();
    assert_eq!(vocabulary.kind, VocabularyKind::Llama);
    assert_eq!(vocabulary.tokens.get(19), "t19");
    assert_eq!(model.output().unwrap().name, "token_embd.weight");
    let first = model.tensors.find("token_embd.weight").unwrap();
    assert_eq!(
        (first.offset % 32, first.bytes),
        (0, (VOCAB * 2 * 18) as u64)
    );
    let last = model.tensors.find("output_norm.weight").unwrap();
    assert_eq!(last.offset + last.bytes, file().len() as u64);
}

#[test]
fn every_truncation_is_refused() {
    let whole = file();
    for length in 0..whole.len() {
        assert!(
            open(&whole[..length]).is_err(),
            "{length} of {} bytes were taken",
            whole.len()
        );
    }
}

#[test]
fn separate_output_is_found() {
    let mut writer = keys();
    declare(&mut writer, Q8_0);
    writer.tensor("output.weight", &[DIM, VOCAB], F16);
    let model = open(&writer.file(|_, _| {})).unwrap();
    assert_eq!(model.output().unwrap().name, "output.weight");
}

#[test]
fn rope_keys() {
    let mut writer = keys();
    writer
        .f32("llama.rope.freq_base", 500_000.0)
        .u32("llama.rope.dimension_count", 8);
    let config = open_keys(&writer).unwrap().config;
    assert_eq!((config.rope_base, config.rope_dims), (500_000.0, 8));
    assert_eq!(config.rope_scaling, RopeScaling::None);

    let mut linear = keys();
    linear
        .text("llama.rope.scaling.type", "linear")
        .f32("llama.rope.scaling.factor", 4.0);
    let config = open_keys(&linear).unwrap().config;
    assert_eq!(config.rope_scaling, RopeScaling::Linear { factor: 4.0 });

    let mut old = keys();
    old.f32("llama.rope.scale_linear", 2.0);
    let config = open_keys(&old).unwrap().config;
    assert_eq!(config.rope_scaling, RopeScaling::Linear { factor: 2.0 });

    let mut unknown = keys();
    unknown.text("llama.rope.scaling.type", "longrope");
    assert!(
        open_keys(&unknown)
            .unwrap_err()
            .to_string()
            .contains("`longrope`")
    );

    let mut factors = keys();
    declare(&mut factors, Q4_0);
    factors.tensor("rope_freqs.weight", &[8], F32);
    assert!(open(&factors.file(|_, _| {})).is_ok());
}

#[test]
fn each_damage_has_its_name() {
    let set = |offset: usize, bytes: &[u8]| {
        let mut file = file();
        file[offset..offset + bytes.len()].copy_from_slice(bytes);
        open(&file).unwrap_err()
    };
    assert!(matches!(set(0, b"GGML"), ModelError::NotAModel { .. }));
    assert!(matches!(
        set(4, &[1, 0, 0, 0]),
        ModelError::Version { found: 1 }
    ));
    assert!(matches!(set(4, &[0, 0, 0, 3]), ModelError::BigEndian));
    let absurd = u64::MAX.to_le_bytes();
    assert!(matches!(set(8, &absurd), ModelError::Truncated { .. }));
    assert!(matches!(set(16, &absurd), ModelError::Truncated { .. }));
    // The first key's length, and its type.
    assert!(matches!(
        set(24, &absurd),
        ModelError::TooLong { offset: 24, .. }
    ));
    let error = set(24 + 8 + "general.architecture".len(), &[99, 0, 0, 0]);
    assert_eq!(
        error.to_string(),
        "key `general.architecture`: type number 99 at offset 52 is not one of GGUF's that can \
         stand here: the file is damaged"
    );
}

#[test]
fn wrong_models_are_named() {
    let replaced = |key: &str, change: &dyn Fn(&mut GgufWriter)| {
        let mut writer = GgufWriter::new();
        change(&mut writer);
        writer.text("unrelated", key);
        open(&writer.file(|_, _| {})).unwrap_err().to_string()
    };
    let other = replaced("a", &|writer| {
        writer.text("general.architecture", "gemma");
    });
    assert!(
        other.contains("`gemma`") && other.contains("`llama`"),
        "{other}"
    );
    let wrong_type = replaced("b", &|writer| {
        writer.u32("general.architecture", 7);
    });
    assert!(
        wrong_type.contains("is an unsigned number, expected a string"),
        "{wrong_type}"
    );

    let mut bias = keys();
    declare(&mut bias, F16);
    bias.tensor("blk.0.attn_q.bias", &[DIM], F32);
    let error = open(&bias.file(|_, _| {})).unwrap_err();
    assert_eq!(
        error,
        ModelError::UnexpectedTensor {
            name: "blk.0.attn_q.bias".into()
        }
    );

    let mut twice = keys();
    twice.text("general.name", "again");
    assert!(matches!(
        open_keys(&twice),
        Err(ModelError::DuplicateKey { .. })
    ));

    let mut partial = keys();
    partial.tensor("token_embd.weight", &[DIM, VOCAB], Q6_K);
    assert!(matches!(
        open(&partial.file(|_, _| {})),
        Err(ModelError::PartialBlock { columns: DIM, .. })
    ));

    let mut unsupported = keys();
    unsupported.tensor("token_embd.weight", &[DIM, VOCAB], F32);
    let mut bytes = unsupported.file(|_, _| {});
    // The record's format field is the only place that says "F32 at offset 0" after the shape.
    let shape: Vec<u8> = [DIM as u64, VOCAB as u64]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .collect();
    let at = bytes
        .windows(16)
        .position(|window| window == shape)
        .unwrap()
        + 16;
    bytes[at] = 12;
    let error = open(&bytes).unwrap_err().to_string();
    assert!(
        error.contains("Q4_K (number 12)") && error.contains("Q6_K"),
        "{error}"
    );
}

#[test]
fn configuration_must_agree_with_itself() {
    let with = |heads: u32, kv: u32, rope: u32| {
        let mut writer = GgufWriter::new();
        writer
            .text("general.architecture", "llama")
            .u32("llama.embedding_length", DIM as u32)
            .u32("llama.feed_forward_length", 96)
            .u32("llama.block_count", 1)
            .u32("llama.attention.head_count", heads)
            .u32("llama.attention.head_count_kv", kv)
            .u32("llama.rope.dimension_count", rope)
            .u32("llama.context_length", 128)
            .f32("llama.attention.layer_norm_rms_epsilon", 1e-5);
        open_keys(&writer).unwrap_err()
    };
    assert!(matches!(with(0, 1, 8), ModelError::Inconsistent { .. }));
    assert!(matches!(with(5, 1, 8), ModelError::Inconsistent { .. }));
    assert!(matches!(with(4, 3, 8), ModelError::Inconsistent { .. }));
    assert!(matches!(with(4, 0, 8), ModelError::BadNumber { .. }));
    assert!(matches!(with(4, 8, 8), ModelError::BadNumber { .. }));
    assert!(matches!(with(4, 2, 7), ModelError::Inconsistent { .. }));
    assert!(matches!(with(4, 2, 18), ModelError::BadNumber { .. }));
}

/// A llama2.c file: header, then zeros.
fn llama2c(header: [i32; 7]) -> Vec<u8> {
    let [dim, hidden, layers, heads, kv_heads, vocab, context] = header.map(i64::from);
    let kv_dim = dim / heads * kv_heads;
    let mut numbers = vocab.abs() * dim + dim + context * (dim / heads);
    numbers += layers * (2 * dim + 2 * dim * dim + 2 * dim * kv_dim + 3 * dim * hidden);
    if vocab < 0 {
        numbers += vocab.abs() * dim;
    }
    let mut bytes: Vec<u8> = header
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect();
    bytes.resize(28 + 4 * numbers as usize, 0);
    bytes
}

#[test]
fn llama2c_layout() {
    let shared = open(&llama2c([64, 172, 5, 8, 4, 512, 512])).unwrap();
    assert_eq!(shared.format, FileFormat::Llama2c);
    // stories260K.bin has this header and this length.
    assert_eq!(llama2c([64, 172, 5, 8, 4, 512, 512]).len(), 1_056_540);
    assert_eq!(shared.output().unwrap().name, "token_embd.weight");
    let own = open(&llama2c([64, 172, 5, 8, 4, -512, 512])).unwrap();
    let output = own.output().unwrap();
    assert_eq!(output.name, "output.weight");
    assert_eq!(
        output.offset + output.bytes,
        llama2c([64, 172, 5, 8, 4, -512, 512]).len() as u64
    );
    let k1 = own.tensors.find("blk.1.attn_k.weight").unwrap();
    let k0 = own.tensors.find("blk.0.attn_k.weight").unwrap();
    assert_eq!(k1.offset - k0.offset, 64 * 32 * 4);

    let mut short = llama2c([64, 172, 5, 8, 4, 512, 512]);
    short.pop();
    assert!(matches!(open(&short), Err(ModelError::NotAModel { .. })));
    assert!(matches!(
        open(b"24ka\x01\0\0\0"),
        Err(ModelError::Llama2cVersion)
    ));
    let absurd: Vec<u8> = [i32::MAX; 7]
        .iter()
        .flat_map(|field| field.to_le_bytes())
        .collect();
    assert!(matches!(open(&absurd), Err(ModelError::NotAModel { .. })));
}
