//! IR text of thunks, adapters and stubs: the border, made by LLVM.
//!
//! ```text
//!  interpreter --thunk(function, slots, result)--> machine code
//!  machine code --stub (r10 = entry)--> adapter(nest r10, arguments...) --enter(entry, slots, result)--> interpreter
//! ```
//!
//! Most types are simpler than this and served by `abi.rs`.
//!
//! IR types already say how the front end wants values passed; LLVM's own code generator does the rest. So every type of
//! the System V ABI is served by the same few lines.

use super::shape::{Lane, Shape};
use super::signature::{Param, Signature, Thunk};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Symbol of the adapters' way into the interpreter.
pub(crate) const ENTER: &str = "bareflow.interp.enter";
/// Name of adapter `n`.
pub(crate) fn adapter_name(n: usize) -> String {
    format!("bareflow.adapter.{n}")
}

/// Name of thunk `n`.
pub(crate) fn thunk_name(n: usize) -> String {
    format!("bareflow.thunk.{n}")
}

/// IR type without attributes.
fn bare(text: &str, shape: Shape) -> String {
    match shape {
        Shape::Int(64) if text.starts_with("ptr") => "ptr".into(),
        Shape::Int(w) | Shape::Wide(w) => format!("i{w}"),
        Shape::F32 => "float".into(),
        Shape::F64 => "double".into(),
        _ => strip(text),
    }
}

/// Cuts the attributes that may follow a type.
fn strip(text: &str) -> String {
    for name in [
        " zeroext",
        " signext",
        " inreg",
        " nest",
        " swiftself",
        " swifterror",
    ] {
        if let Some((ty, _)) = text.split_once(name) {
            return ty.to_owned();
        }
    }
    text.to_owned()
}

/// Reads a value from slots at `%base + offset` into `%name`.
fn load(out: &mut String, name: &str, ty: &str, shape: Shape, base: &str, offset: usize) {
    let _ = writeln!(
        out,
        "  %{name}.p = getelementptr i8, ptr %{base}, i64 {offset}"
    );
    match shape {
        Shape::Int(w) if w < 64 => {
            let _ = writeln!(out, "  %{name}.w = load i64, ptr %{name}.p, align 8");
            let _ = writeln!(out, "  %{name} = trunc i64 %{name}.w to i{w}");
        }
        Shape::Wide(w) if w < 128 => {
            let _ = writeln!(out, "  %{name}.w = load i128, ptr %{name}.p, align 8");
            let _ = writeln!(out, "  %{name} = trunc i128 %{name}.w to i{w}");
        }
        Shape::Vector {
            element: Lane::Int(1),
            len,
        } => {
            let _ = writeln!(
                out,
                "  %{name}.w = load <{len} x i8>, ptr %{name}.p, align 8"
            );
            let _ = writeln!(
                out,
                "  %{name} = trunc <{len} x i8> %{name}.w to <{len} x i1>"
            );
        }
        _ => {
            let _ = writeln!(out, "  %{name} = load {ty}, ptr %{name}.p, align 8");
        }
    }
}

/// Writes `%name` to slots at `%base + offset`.
fn store(out: &mut String, name: &str, ty: &str, shape: Shape, base: &str, offset: usize) {
    let _ = writeln!(
        out,
        "  %{name}.q = getelementptr i8, ptr %{base}, i64 {offset}"
    );
    match shape {
        Shape::Int(w) if w < 64 => {
            let _ = writeln!(out, "  %{name}.x = zext i{w} %{name} to i64");
            let _ = writeln!(out, "  store i64 %{name}.x, ptr %{name}.q, align 8");
        }
        Shape::Wide(w) if w < 128 => {
            let _ = writeln!(out, "  %{name}.x = zext i{w} %{name} to i128");
            let _ = writeln!(out, "  store i128 %{name}.x, ptr %{name}.q, align 8");
        }
        Shape::Half => {
            let _ = writeln!(out, "  store i64 0, ptr %{name}.q, align 8");
            let _ = writeln!(out, "  store {ty} %{name}, ptr %{name}.q, align 8");
        }
        Shape::Vector {
            element: Lane::Int(1),
            len,
        } => {
            let _ = writeln!(
                out,
                "  %{name}.x = zext <{len} x i1> %{name} to <{len} x i8>"
            );
            let _ = writeln!(
                out,
                "  store <{len} x i8> %{name}.x, ptr %{name}.q, align 8"
            );
        }
        _ => {
            let _ = writeln!(out, "  store {ty} %{name}, ptr %{name}.q, align 8");
        }
    }
}

/// The result's type without attributes.
fn result_type(s: &Signature) -> &str {
    let mut text = s.result.as_str();
    for name in ["zeroext ", "signext ", "inreg "] {
        text = text.strip_prefix(name).unwrap_or(text);
    }
    text
}

/// A function `void (function, slots, result)` that makes a call of this type, or executes the one instruction.
pub(crate) fn thunk(name: &str, thunk: &Thunk) -> String {
    let (s, operation) = (&thunk.signature, thunk.operation.as_ref());
    let mut out =
        format!("define void @\"{name}\"(ptr %function, ptr %slots, ptr %result) #0 {{\n");
    let mut offset = 0;
    let mut args = Vec::new();
    for (i, p) in s.params.iter().enumerate() {
        if i == s.fixed && s.variadic {
            offset += 8; // the hidden va_list is for interpreted callees
        }
        load(
            &mut out,
            &format!("a{i}"),
            &bare(&p.text, p.shape),
            p.shape,
            "slots",
            offset,
        );
        offset += p.shape.slots() * 8;
        let literal = operation.and_then(|o| *o.literals.get(i)?);
        args.push(match literal {
            Some(number) => format!("{} {number}", p.text),
            None => format!("{} %a{i}", p.text),
        });
    }
    let args = args.join(", ");
    let callee = operation.map_or("%function", |o| &o.callee);
    let fixed: Vec<String> = s
        .params
        .iter()
        .take(s.fixed)
        .map(|p| bare(&p.text, p.shape))
        .collect();
    let ty = if s.variadic {
        let dots = if fixed.is_empty() { "..." } else { ", ..." };
        format!("{} ({}{dots})", result_type(s), fixed.join(", "))
    } else {
        result_type(s).to_owned()
    };
    let attributes = s.result.strip_suffix(result_type(s)).unwrap_or("");
    let call = format!("call cc {} {attributes}{ty} {callee}({args})", s.conv);
    if s.result_shape == Shape::Void {
        let _ = writeln!(out, "  {call}");
    } else {
        let _ = writeln!(out, "  %r = {call}");
        store(&mut out, "r", result_type(s), s.result_shape, "result", 0);
    }
    out += "  ret void\n}\n";
    out
}

/// A function of this type that enters the interpreter with the entry in r10.
fn adapter(n: usize, s: &Signature) -> String {
    let fixed: &[Param] = &s.params[..s.fixed.min(s.params.len())];
    let mut params = vec!["ptr nest %self".to_owned()];
    params.extend(
        fixed
            .iter()
            .enumerate()
            .map(|(i, p)| format!("{} %a{i}", p.text)),
    );
    if s.variadic {
        params.push("...".into());
    }
    let mut out = format!(
        "define cc {} {} @\"{}\"({}) #0 {{\n",
        s.conv,
        s.result,
        adapter_name(n),
        params.join(", ")
    );
    let words = s.callee_slots().max(1);
    let result_words = s.result_shape.slots().max(1);
    let _ = writeln!(out, "  %slots = alloca [{words} x i64], align 16");
    let _ = writeln!(out, "  %result = alloca [{result_words} x i64], align 16");
    let mut offset = 0;
    for (i, p) in fixed.iter().enumerate() {
        store(
            &mut out,
            &format!("a{i}"),
            &bare(&p.text, p.shape),
            p.shape,
            "slots",
            offset,
        );
        offset += p.shape.slots() * 8;
    }
    if s.variadic {
        let _ = writeln!(out, "  %list = alloca [24 x i8], align 16");
        let _ = writeln!(out, "  call void @llvm.va_start.p0(ptr %list)");
        let _ = writeln!(
            out,
            "  %hidden = getelementptr i8, ptr %slots, i64 {offset}"
        );
        let _ = writeln!(out, "  store ptr %list, ptr %hidden, align 8");
    }
    let _ = writeln!(
        out,
        "  call void @{ENTER}(ptr %self, ptr %slots, ptr %result)"
    );
    if s.result_shape == Shape::Void {
        out += "  ret void\n}\n";
    } else {
        load(&mut out, "r", result_type(s), s.result_shape, "result", 0);
        let _ = writeln!(out, "  ret {} %r\n}}", result_type(s));
    }
    out
}

/// A module of adapters and thunks as it grows.
pub(crate) struct Text {
    declarations: BTreeSet<String>,
    functions: String,
}

impl Text {
    /// With nothing in it.
    pub fn new() -> Self {
        Text {
            declarations: BTreeSet::new(),
            functions: String::new(),
        }
    }

    /// Adds adapter `n`.
    pub fn adapter(&mut self, n: usize, s: &Signature) {
        self.functions += &adapter(n, s);
    }

    /// Adds thunk `n`.
    pub fn thunk(&mut self, n: usize, of: &Thunk) {
        if let Some(operation) = &of.operation {
            self.declarations.insert(operation.declaration.clone());
        }
        self.functions += &thunk(&thunk_name(n), of);
    }

    /// The text, if there is something in it.
    pub fn finish(self) -> Option<String> {
        if self.functions.is_empty() {
            return None;
        }
        let mut out = format!("target triple = \"{}\"\n", llvm::TRIPLE);
        let _ = writeln!(out, "declare void @{ENTER}(ptr, ptr, ptr)");
        let _ = writeln!(out, "declare void @llvm.va_start.p0(ptr)");
        self.declarations.iter().for_each(|d| out += d);
        out += &self.functions;
        Some(out + "attributes #0 = { nounwind }\n")
    }
}

/// Bytes from one stub to the next.
pub(crate) const STUB_BYTES: usize = 16;

/// The machine code of a stub: `movabs $entry, %r10; jmp *(%r10)`. The first word of an entry is its target.
pub(crate) fn stub(entry: u64) -> [u8; STUB_BYTES] {
    let mut code = [0xCC; STUB_BYTES];
    code[..2].copy_from_slice(&[0x49, 0xBA]);
    code[2..10].copy_from_slice(&entry.to_le_bytes());
    code[10..13].copy_from_slice(&[0x41, 0xFF, 0x22]);
    code
}
