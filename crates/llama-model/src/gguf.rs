//! GGUF: the file format of llama.cpp's models, versions 2 and 3, little-endian.
//!
//! ```text
//! u32 magic "GGUF"   u32 version   u64 tensors   u64 keys
//! keys    x { string key, u32 type, value }            string: u64 length, bytes
//! tensors x { string name, u32 n, u64 ne[n], u32 format, u64 offset from the data }
//! padding to general.alignment (32 unless the key says otherwise)
//! data
//! ```
//!
//! Source: `docs/gguf.md` of ggml. Every count and length is checked against what is left of the
//! file before memory is asked for: a string of n bytes needs n bytes of file, and so on.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::metadata::{Metadata, NumberKind, Numbers, StringTable, Value};
use crate::source::Cursor;
use crate::{ModelError, Source, TensorFormat, TensorIndex, TensorInfo};

/// First four bytes of the file.
pub const MAGIC: [u8; 4] = *b"GGUF";

const DEFAULT_ALIGNMENT: u64 = 32;
/// Longest key, by the specification.
const MAX_KEY_BYTES: u64 = 65_535;
/// ggml itself allows 63.
const MAX_NAME_BYTES: u64 = 255;
/// Longest string value; chat templates are a few thousand bytes.
const MAX_TEXT_BYTES: u64 = 1 << 24;
/// A key of no bytes, its type, and a value of one byte.
const MIN_PAIR_BYTES: u64 = 8 + 4 + 1;
/// A name of no bytes, one dimension, format and offset.
const MIN_TENSOR_BYTES: u64 = 8 + 4 + 8 + 4 + 8;
const TYPE_STRING: u32 = 8;
const TYPE_ARRAY: u32 = 9;
/// Arrays may hold arrays; deeper nesting than this is damage.
const MAX_ARRAY_DEPTH: u32 = 4;

/// What a GGUF file says, before it is checked to be a model.
#[derive(Debug, Clone)]
pub struct Gguf {
    /// Its key/value pairs.
    pub metadata: Metadata,
    /// Its tensors, each inside the file.
    pub tensors: TensorIndex,
}

impl Gguf {
    /// Parses the head of the file; no weight is read.
    ///
    /// # Errors
    /// [`ModelError`] with the offset and key of what is wrong.
    pub fn parse<S: Source + ?Sized>(source: &S) -> Result<Self, ModelError> {
        let mut cursor = Cursor::new(source);
        let magic = cursor.array("magic number")?;
        if magic != MAGIC {
            return Err(ModelError::NotAModel { magic });
        }
        let version = cursor.u32("version")?;
        if version.trailing_zeros() >= 16 && version != 0 {
            return Err(ModelError::BigEndian);
        }
        if !(2..=3).contains(&version) {
            return Err(ModelError::Version { found: version });
        }
        let n_tensors = cursor.u64("number of tensors")?;
        let n_pairs = cursor.u64("number of keys")?;
        let needed = n_pairs
            .checked_mul(MIN_PAIR_BYTES)
            .and_then(|pairs| pairs.checked_add(n_tensors.checked_mul(MIN_TENSOR_BYTES)?))
            .unwrap_or(u64::MAX);
        cursor.check(needed, "list of keys and tensors")?;

        let mut metadata = Metadata::default();
        for _ in 0..n_pairs {
            let key = cursor.string(MAX_KEY_BYTES, "key")?;
            let value = read_value(&mut cursor, &key).map_err(|error| ModelError::InKey {
                key: key.clone(),
                error: Box::new(error),
            })?;
            metadata.insert(key, value)?;
        }
        let alignment = metadata
            .u64("general.alignment")?
            .unwrap_or(DEFAULT_ALIGNMENT);
        if !alignment.is_power_of_two() || alignment > 1 << 30 {
            return Err(ModelError::Alignment { found: alignment });
        }
        let tensors = read_tensors(&mut cursor, n_tensors, alignment)?;
        Ok(Gguf { metadata, tensors })
    }
}

fn read_value<S: Source + ?Sized>(
    cursor: &mut Cursor<'_, S>,
    key: &str,
) -> Result<Value, ModelError> {
    let at = cursor.offset();
    match cursor.u32("type of the value")? {
        TYPE_STRING => Ok(Value::Text(cursor.string(MAX_TEXT_BYTES, "string")?)),
        TYPE_ARRAY => {
            // Only the vocabulary is used as arrays; keeping others would waste memory.
            if key.starts_with("tokenizer.") {
                read_array(cursor)
            } else {
                skip_array(cursor, 0)?;
                Ok(Value::Omitted)
            }
        }
        number => {
            let kind = number_kind(number, at)?;
            let mut bytes = [0; 8];
            let bytes = &mut bytes[..kind.bytes()];
            cursor.read(bytes, "value")?;
            Ok(kind.decode(bytes))
        }
    }
}

fn number_kind(number: u32, offset: u64) -> Result<NumberKind, ModelError> {
    NumberKind::from_gguf(number).ok_or(ModelError::UnknownType {
        found: number,
        offset,
    })
}

fn read_array<S: Source + ?Sized>(cursor: &mut Cursor<'_, S>) -> Result<Value, ModelError> {
    let at = cursor.offset();
    let element = cursor.u32("type of the array's elements")?;
    let count = cursor.u64("length of the array")?;
    match element {
        TYPE_STRING => {
            cursor.check(count.saturating_mul(8), "array of strings")?;
            let mut texts = StringTable::default();
            for _ in 0..count {
                texts.push(&cursor.string(MAX_TEXT_BYTES, "string of the array")?)?;
            }
            Ok(Value::Texts(texts))
        }
        TYPE_ARRAY => Err(ModelError::UnknownType {
            found: element,
            offset: at,
        }),
        number => {
            let kind = number_kind(number, at)?;
            let total = count.saturating_mul(kind.bytes() as u64);
            let mut bytes = Vec::new();
            cursor.append(total, &mut bytes, "array of numbers")?;
            Ok(Value::Numbers(Numbers { kind, bytes }))
        }
    }
}

fn skip_array<S: Source + ?Sized>(
    cursor: &mut Cursor<'_, S>,
    depth: u32,
) -> Result<(), ModelError> {
    let at = cursor.offset();
    let element = cursor.u32("type of the array's elements")?;
    let count = cursor.u64("length of the array")?;
    match element {
        TYPE_STRING => {
            cursor.check(count.saturating_mul(8), "array of strings")?;
            for _ in 0..count {
                let bytes = cursor.u64("string of the array")?;
                cursor.skip(bytes, "string of the array")?;
            }
            Ok(())
        }
        TYPE_ARRAY if depth < MAX_ARRAY_DEPTH => {
            cursor.check(count.saturating_mul(12), "array of arrays")?;
            (0..count).try_for_each(|_| skip_array(cursor, depth + 1))
        }
        number => {
            let kind = number_kind(number, at)?;
            cursor.skip(
                count.saturating_mul(kind.bytes() as u64),
                "array of numbers",
            )
        }
    }
}

/// A tensor record whose place is still relative to the data, which starts after the last record.
struct Record {
    info: TensorInfo,
    record_offset: u64,
}

fn read_tensors<S: Source + ?Sized>(
    cursor: &mut Cursor<'_, S>,
    count: u64,
    alignment: u64,
) -> Result<TensorIndex, ModelError> {
    let mut records = Vec::new();
    for _ in 0..count {
        let record = read_record(cursor, alignment)?;
        records
            .try_reserve(1)
            .map_err(|_| ModelError::OutOfMemory {
                bytes: size_of::<Record>(),
            })?;
        records.push(record);
    }
    let data = cursor.offset().next_multiple_of(alignment);
    let data_bytes = (cursor.offset() + cursor.remaining()).saturating_sub(data);
    let mut total = 0u64;
    let mut index = TensorIndex::default();
    for Record {
        mut info,
        record_offset,
    } in records
    {
        let inside = info
            .offset
            .checked_add(info.bytes)
            .is_some_and(|end| end <= data_bytes);
        if !inside {
            return Err(ModelError::TensorOutside {
                name: info.name,
                record_offset,
                offset: info.offset,
                bytes: info.bytes,
                data_bytes,
            });
        }
        // Without overlaps the tensors together are not longer than the data; with this check a
        // small file cannot claim the same bytes thousands of times.
        total = total.saturating_add(info.bytes);
        if total > data_bytes {
            return Err(ModelError::TensorsOverlap {
                name: info.name,
                total,
                data_bytes,
            });
        }
        info.offset += data;
        index.insert(info)?;
    }
    Ok(index)
}

fn read_record<S: Source + ?Sized>(
    cursor: &mut Cursor<'_, S>,
    alignment: u64,
) -> Result<Record, ModelError> {
    let record_offset = cursor.offset();
    let name = cursor.string(MAX_NAME_BYTES, "tensor name")?;
    let shape_error = |name: &String| ModelError::BadShape {
        name: name.clone(),
        record_offset,
    };
    let dimensions = cursor.u32("number of dimensions")?;
    if !(1..=4).contains(&dimensions) {
        return Err(shape_error(&name));
    }
    let mut shape = Vec::with_capacity(dimensions as usize);
    let mut numbers = 1usize;
    for _ in 0..dimensions {
        let length = cursor.u64("dimension")?;
        let length = usize::try_from(length).map_err(|_| shape_error(&name))?;
        numbers = match numbers.checked_mul(length) {
            Some(product) if product > 0 => product,
            _ => return Err(shape_error(&name)),
        };
        shape.push(length);
    }
    let number = cursor.u32("tensor format")?;
    let offset = cursor.u64("tensor offset")?;
    let Some(format) = TensorFormat::from_gguf(number) else {
        return Err(ModelError::UnsupportedFormat {
            name,
            number,
            ggml_name: ggml_type_name(number),
        });
    };
    let columns = shape[0];
    let Some(bytes) = format
        .row_bytes(columns)
        .and_then(|row| row.checked_mul(numbers / columns))
    else {
        return Err(ModelError::PartialBlock {
            name,
            format,
            columns,
        });
    };
    if !offset.is_multiple_of(alignment) {
        return Err(ModelError::Misaligned {
            name,
            offset,
            alignment,
        });
    }
    let info = TensorInfo {
        name,
        shape,
        format,
        offset,
        bytes: bytes as u64,
    };
    Ok(Record {
        info,
        record_offset,
    })
}

/// What ggml calls a tensor format we do not read (`enum ggml_type` of `ggml.h`).
fn ggml_type_name(number: u32) -> &'static str {
    const NAMES: [&str; 40] = [
        "F32",
        "F16",
        "Q4_0",
        "Q4_1",
        "Q4_2",
        "Q4_3",
        "Q5_0",
        "Q5_1",
        "Q8_0",
        "Q8_1",
        "Q2_K",
        "Q3_K",
        "Q4_K",
        "Q5_K",
        "Q6_K",
        "Q8_K",
        "IQ2_XXS",
        "IQ2_XS",
        "IQ3_XXS",
        "IQ1_S",
        "IQ4_NL",
        "IQ3_S",
        "IQ2_S",
        "IQ4_XS",
        "I8",
        "I16",
        "I32",
        "I64",
        "F64",
        "IQ1_M",
        "BF16",
        "Q4_0_4_4",
        "Q4_0_4_8",
        "Q4_0_8_8",
        "TQ1_0",
        "TQ2_0",
        "IQ4_NL_4_4",
        "IQ4_NL_4_8",
        "IQ4_NL_8_8",
        "MXFP4",
    ];
    usize::try_from(number)
        .ok()
        .and_then(|index| NAMES.get(index))
        .unwrap_or(&"an unknown format")
}
