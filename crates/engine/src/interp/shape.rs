//! How values of a type lie in slots.

use llvm::ir::{Layout, Type, TypeKind};

/// How a value lies in its slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// No value.
    Void,
    /// Integer of 1 to 64 bits, or a pointer (64).
    Int(u32),
    /// Integer of 65 to 128 bits.
    Wide(u32),
    /// `half` or `bfloat`: carried, not computed with.
    Half,
    /// `float`.
    F32,
    /// `double`.
    F64,
    /// Vector of `len` elements.
    Vector { element: Lane, len: u32 },
    /// Struct or array of this many bytes, as in memory.
    Aggregate(u64),
}

/// Element of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Integer of 1, 8, 16, 32 or 64 bits, or a pointer.
    Int(u32),
    /// `float`.
    F32,
    /// `double`.
    F64,
}

impl Lane {
    /// Bytes of an element in a register.
    pub fn bytes(self) -> u32 {
        match self {
            Lane::Int(1) => 1,
            Lane::Int(w) => w / 8,
            Lane::F32 => 4,
            Lane::F64 => 8,
        }
    }

    /// Bits that count.
    pub fn bits(self) -> u32 {
        match self {
            Lane::Int(w) => w,
            Lane::F32 => 32,
            Lane::F64 => 64,
        }
    }
}

impl Shape {
    /// Shape of a type; `None` if values of it cannot be held.
    pub fn of(ty: Type<'_>, layout: Layout<'_>) -> Option<Shape> {
        Some(match ty.kind() {
            TypeKind::Void => Shape::Void,
            TypeKind::Int(w @ 1..=64) => Shape::Int(w),
            TypeKind::Int(w @ 65..=128) => Shape::Wide(w),
            TypeKind::Ptr => Shape::Int(64),
            TypeKind::Half | TypeKind::BFloat => Shape::Half,
            TypeKind::Float => Shape::F32,
            TypeKind::Double => Shape::F64,
            TypeKind::Vector => {
                let element = match Shape::of(ty.element()?, layout)? {
                    Shape::Int(w @ (1 | 8 | 16 | 32 | 64)) => Lane::Int(w),
                    Shape::F32 => Lane::F32,
                    Shape::F64 => Lane::F64,
                    _ => return None,
                };
                let len = u32::try_from(ty.len()).ok().filter(|n| *n <= 1024)?;
                Shape::Vector { element, len }
            }
            TypeKind::Struct | TypeKind::Array => {
                Self::holds(ty, layout)?;
                Shape::Aggregate(layout.alloc_size(ty)).checked()?
            }
            _ => return None,
        })
    }

    /// Whether everything inside an aggregate can be taken out and put in.
    fn holds(ty: Type<'_>, layout: Layout<'_>) -> Option<()> {
        match ty.kind() {
            TypeKind::Struct => {
                (0..ty.field_count()).try_for_each(|i| Self::holds(ty.field(i)?, layout))
            }
            TypeKind::Array => Self::holds(ty.element()?, layout),
            _ => match Shape::of(ty, layout)? {
                // In memory their bits are packed.
                Shape::Vector {
                    element: Lane::Int(1),
                    ..
                } => None,
                _ => Some(()),
            },
        }
    }

    fn checked(self) -> Option<Shape> {
        (self.bytes() <= 32_000).then_some(self)
    }

    /// Bytes of the value in its slots.
    pub fn bytes(self) -> u64 {
        match self {
            Shape::Void => 0,
            Shape::Int(_) | Shape::F64 | Shape::F32 | Shape::Half => 8,
            Shape::Wide(_) => 16,
            Shape::Vector { element, len } => u64::from(element.bytes()) * u64::from(len),
            Shape::Aggregate(bytes) => bytes,
        }
    }

    /// Slots the value fills.
    pub fn slots(self) -> usize {
        self.bytes().div_ceil(8) as usize
    }

    /// Whether it is one slot with one number.
    pub fn is_scalar(self) -> bool {
        matches!(self, Shape::Int(_) | Shape::Half | Shape::F32 | Shape::F64)
    }

    /// Bytes of a scalar in memory.
    pub fn scalar_store_bytes(self) -> u32 {
        match self {
            Shape::Int(w) => w.div_ceil(8),
            Shape::Half => 2,
            Shape::F32 => 4,
            _ => 8,
        }
    }

    /// Bits of a scalar.
    pub fn bits(self) -> u32 {
        match self {
            Shape::Int(w) | Shape::Wide(w) => w,
            Shape::Half => 16,
            Shape::F32 => 32,
            _ => 64,
        }
    }
}

/// The low `width` bits set.
pub(crate) fn mask(width: u32) -> u64 {
    if width >= 64 {
        u64::MAX
    } else {
        (1 << width) - 1
    }
}
