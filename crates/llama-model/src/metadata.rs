//! Key/value pairs of a GGUF file: typed, bounded, looked up by name.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use crate::ModelError;

/// Many strings in one piece of memory, in order. Entries are UTF-8.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StringTable {
    bytes: Vec<u8>,
    /// End of each entry in `bytes`.
    ends: Vec<u32>,
}

impl StringTable {
    /// Number of strings.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no string.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`, or `""` behind the end.
    #[must_use]
    pub fn get(&self, index: usize) -> &str {
        let Some(&end) = self.ends.get(index) else {
            return "";
        };
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        // Only whole UTF-8 strings are ever appended.
        str::from_utf8(&self.bytes[start as usize..end as usize]).unwrap_or("")
    }

    /// All strings in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Appends a string.
    ///
    /// # Errors
    /// [`ModelError::OutOfMemory`], also beyond 4 GiB in total.
    pub fn push(&mut self, text: &str) -> Result<(), ModelError> {
        let total = self.bytes.len() + text.len();
        let oom = || ModelError::OutOfMemory { bytes: total };
        let end = u32::try_from(total).map_err(|_| oom())?;
        self.bytes.try_reserve(text.len()).map_err(|_| oom())?;
        self.ends.try_reserve(1).map_err(|_| oom())?;
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(end);
        Ok(())
    }
}

/// Type of a number in a GGUF file (`enum gguf_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NumberKind {
    /// 8-bit unsigned.
    U8,
    /// 8-bit signed.
    I8,
    /// 16-bit unsigned.
    U16,
    /// 16-bit signed.
    I16,
    /// 32-bit unsigned.
    U32,
    /// 32-bit signed.
    I32,
    /// 64-bit unsigned.
    U64,
    /// 64-bit signed.
    I64,
    /// Single precision.
    F32,
    /// Double precision.
    F64,
    /// One byte, 0 or 1.
    Bool,
}

impl NumberKind {
    pub(crate) fn from_gguf(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::U8,
            1 => Self::I8,
            2 => Self::U16,
            3 => Self::I16,
            4 => Self::U32,
            5 => Self::I32,
            6 => Self::F32,
            7 => Self::Bool,
            10 => Self::U64,
            11 => Self::I64,
            12 => Self::F64,
            _ => return None,
        })
    }

    /// Bytes per number.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Decodes one number of `self.bytes()` bytes.
    pub(crate) fn decode(self, bytes: &[u8]) -> Value {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let raw = u64::from_le_bytes(wide);
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => Value::Unsigned(raw),
            Self::I8 => Value::Signed(i64::from(raw as i8)),
            Self::I16 => Value::Signed(i64::from(raw as i16)),
            Self::I32 => Value::Signed(i64::from(raw as i32)),
            Self::I64 => Value::Signed(raw as i64),
            Self::F32 => Value::Float(f64::from(f32::from_bits(raw as u32))),
            Self::F64 => Value::Float(f64::from_bits(raw)),
            Self::Bool => Value::Bool(raw != 0),
        }
    }
}

/// An array of numbers, kept as it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    pub(crate) kind: NumberKind,
    pub(crate) bytes: Vec<u8>,
}

impl Numbers {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len() / self.kind.bytes()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Each number in turn.
    pub fn iter(&self) -> impl Iterator<Item = Value> + '_ {
        self.bytes
            .chunks_exact(self.kind.bytes())
            .map(|bytes| self.kind.decode(bytes))
    }
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// An unsigned number of any width.
    Unsigned(u64),
    /// A signed number of any width.
    Signed(i64),
    /// A floating-point number of any width.
    Float(f64),
    /// A truth value.
    Bool(bool),
    /// A string.
    Text(String),
    /// An array of strings.
    Texts(StringTable),
    /// An array of numbers.
    Numbers(Numbers),
    /// An array outside of `tokenizer.`, checked but not kept.
    Omitted,
}

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Value::Unsigned(_) => "an unsigned number",
            Value::Signed(_) => "a signed number",
            Value::Float(_) => "a floating-point number",
            Value::Bool(_) => "a truth value",
            Value::Text(_) => "a string",
            Value::Texts(_) => "an array of strings",
            Value::Numbers(_) => "an array of numbers",
            Value::Omitted => "an array",
        }
    }

    pub(crate) fn as_f32(&self) -> Option<f32> {
        match *self {
            Value::Float(number) => Some(number as f32),
            Value::Unsigned(number) => Some(number as f32),
            Value::Signed(number) => Some(number as f32),
            _ => None,
        }
    }

    pub(crate) fn as_u64(&self) -> Option<u64> {
        match *self {
            Value::Unsigned(number) => Some(number),
            Value::Signed(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }
}

/// The key/value pairs of a file.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    values: BTreeMap<String, Value>,
}

impl Metadata {
    pub(crate) fn insert(&mut self, key: String, value: Value) -> Result<(), ModelError> {
        if self.values.contains_key(&key) {
            return Err(ModelError::DuplicateKey { key });
        }
        self.values.insert(key, value);
        Ok(())
    }

    /// The value of `key`, if the file has it.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// Takes the value of `key` out.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        self.values.remove(key)
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &'static str,
        convert: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, ModelError> {
        let Some(value) = self.find(key) else {
            return Ok(None);
        };
        match convert(value) {
            Some(converted) => Ok(Some(converted)),
            None => Err(ModelError::WrongType {
                key: key.into(),
                found: value.kind(),
                expected,
            }),
        }
    }

    /// The non-negative number at `key`.
    ///
    /// # Errors
    /// [`ModelError::WrongType`] if it is something else.
    pub fn u64(&self, key: &str) -> Result<Option<u64>, ModelError> {
        self.typed(key, "a non-negative whole number", Value::as_u64)
    }

    /// The number at `key`.
    ///
    /// # Errors
    /// [`ModelError::WrongType`] if it is something else.
    pub fn f32(&self, key: &str) -> Result<Option<f32>, ModelError> {
        self.typed(key, "a number", Value::as_f32)
    }

    /// The truth value at `key`.
    ///
    /// # Errors
    /// [`ModelError::WrongType`] if it is something else.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, ModelError> {
        self.typed(key, "a truth value", |value| match value {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        })
    }

    /// The string at `key`.
    ///
    /// # Errors
    /// [`ModelError::WrongType`] if it is something else.
    pub fn text(&self, key: &str) -> Result<Option<&str>, ModelError> {
        self.typed(key, "a string", |value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// The array of strings at `key`, taken out.
    ///
    /// # Errors
    /// [`ModelError::WrongType`] if it is something else.
    pub fn take_texts(&mut self, key: &str) -> Result<Option<StringTable>, ModelError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Texts(texts)) => Ok(Some(texts)),
            Some(other) => Err(ModelError::WrongType {
                key: key.into(),
                found: other.kind(),
                expected: "an array of strings",
            }),
        }
    }

    /// The array of numbers at `key`.
    ///
    /// # Errors
    /// [`ModelError::WrongType`] if it is something else.
    pub fn numbers(&self, key: &str) -> Result<Option<&Numbers>, ModelError> {
        self.typed(key, "an array of numbers", |value| match value {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        })
    }
}
