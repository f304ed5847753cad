//! Types of functions as the System V ABI sees them.

use super::shape::Shape;
use llvm::ir::{Layout, Type, TypeKind, Value};

/// A parameter or an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Param {
    /// Type and attributes as IR text.
    pub text: String,
    pub shape: Shape,
    /// Size and alignment in bytes of what is passed by value behind the pointer.
    pub by_value: Option<(u64, u64)>,
    /// Alignment of the type, in bytes.
    pub align: u64,
}

/// The type of a function, or of a call with its variadic arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub conv: u32,
    /// Type and attributes as IR text.
    pub result: String,
    pub result_shape: Shape,
    /// Fields of a struct that is the result, each with its byte, if each of them has a shape.
    pub result_fields: Option<Vec<(Shape, usize)>>,
    pub params: Vec<Param>,
    /// How many parameters are not variadic.
    pub fixed: usize,
    pub variadic: bool,
}

/// Attributes that change how a parameter is passed.
fn attributes<'m>(site: Value<'m>, index: u32, layout: Layout<'m>) -> (String, Option<(u64, u64)>) {
    let mut text = String::new();
    for name in [
        "zeroext",
        "signext",
        "inreg",
        "nest",
        "swiftself",
        "swifterror",
    ] {
        if site.param_has(index, name) {
            text += " ";
            text += name;
        }
    }
    let align = site.param_number(index, "align");
    let mut by_value = None;
    for name in ["byval", "sret"] {
        if let Some(ty) = site.param_type(index, name) {
            text += &format!(" {name}({ty})");
            if let Some(a) = align {
                text += &format!(" align {a}");
            }
            if name == "byval" {
                by_value = Some((
                    layout.alloc_size(ty),
                    align.unwrap_or_else(|| layout.align(ty)),
                ));
            }
        }
    }
    (text, by_value)
}

fn fields<'m>(ty: Type<'m>, layout: Layout<'m>) -> Option<Vec<(Shape, usize)>> {
    if ty.kind() != TypeKind::Struct {
        return None;
    }
    (0..ty.field_count())
        .map(|i| {
            let shape = Shape::of(ty.field(i)?, layout)?;
            Some((shape, layout.field_offset(ty, i) as usize))
        })
        .collect()
}

impl Signature {
    /// Of a function, or of a call (`site`) with the arguments' types. `None` if a type cannot be held in slots.
    pub fn of<'m>(
        site: Value<'m>,
        function_type: Type<'m>,
        types: &[Type<'m>],
        layout: Layout<'m>,
    ) -> Option<Self> {
        let mut params = Vec::new();
        for (i, ty) in types.iter().enumerate() {
            let (attributes, by_value) = attributes(site, i as u32, layout);
            params.push(Param {
                text: format!("{ty}{attributes}"),
                shape: Shape::of(*ty, layout)?,
                by_value,
                align: layout.align(*ty),
            });
        }
        let result = function_type.result()?;
        let mut text = String::new();
        for name in ["zeroext", "signext", "inreg"] {
            if site.result_has(name) {
                text += name;
                text += " ";
            }
        }
        Some(Signature {
            conv: site.call_conv(),
            result: format!("{text}{result}"),
            result_shape: Shape::of(result, layout)?,
            result_fields: fields(result, layout),
            params,
            fixed: function_type.params().len(),
            variadic: function_type.is_variadic(),
        })
    }

    /// What two functions must have in common to be called alike.
    pub fn fixed_text(&self) -> String {
        let params: Vec<&str> = self
            .params
            .iter()
            .take(self.fixed)
            .map(|p| p.text.as_str())
            .collect();
        let dots = if self.variadic { ", ..." } else { "" };
        format!(
            "{} {} ({}{dots})",
            self.conv,
            self.result,
            params.join(", ")
        )
    }

    /// The same with the types of variadic arguments.
    pub fn full_text(&self) -> String {
        let more: Vec<&str> = self
            .params
            .iter()
            .skip(self.fixed)
            .map(|p| p.text.as_str())
            .collect();
        format!("{} | {}", self.fixed_text(), more.join(", "))
    }

    /// Words of the fixed parameters.
    pub fn fixed_slots(&self) -> usize {
        self.params
            .iter()
            .take(self.fixed)
            .map(|p| p.shape.slots())
            .sum()
    }

    /// Words a callee's parameters fill: variadic functions have a hidden one, the address of a `va_list`.
    pub fn callee_slots(&self) -> usize {
        self.fixed_slots() + usize::from(self.variadic)
    }
}

/// An instruction that is left to LLVM: an intrinsic of the processor, or inline assembly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    /// What is called, as IR text.
    pub callee: String,
    /// Declaration of the callee, if it is a function.
    pub declaration: String,
    /// By argument: the number that must stand in the text.
    pub literals: Vec<Option<u64>>,
}

/// What a thunk does: calls the function it is given, or executes one instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thunk {
    pub signature: Signature,
    pub operation: Option<Operation>,
}

impl Thunk {
    /// One that makes calls of this type.
    pub fn of_call(signature: &Signature) -> Self {
        Thunk {
            signature: signature.clone(),
            operation: None,
        }
    }
}

/// Numbers for texts, in the order they were first seen.
#[derive(Debug, Default)]
pub(crate) struct Numbering<T> {
    numbers: std::collections::HashMap<String, u32>,
    pub items: Vec<T>,
}

impl<T> Numbering<T> {
    pub fn new() -> Self {
        Numbering {
            numbers: std::collections::HashMap::new(),
            items: Vec::new(),
        }
    }

    /// The text's number; `item` is made when it is new.
    pub fn number(&mut self, text: String, item: impl FnOnce() -> T) -> u32 {
        let items = &mut self.items;
        *self.numbers.entry(text).or_insert_with(|| {
            items.push(item());
            items.len() as u32 - 1
        })
    }
}
