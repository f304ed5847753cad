//! Machine code of the border for the types most functions have: numbers and pointers in, up to two of each out.
//!
//! Thunks and adapters of these types are written here, byte by byte, so that a program starts without asking LLVM for
//! any; all other types go through `bridge.rs`. Where arguments lie is chapter 3.2.3 of the System V ABI, as LLVM applies it
//! to the types of IR: six integers and eight floats in registers in the order they come, the rest on the stack in
//! words; the fields of a struct that is returned take rax and rdx, xmm0 and xmm1.
//!
//! Integers narrower than their register have garbage above; the interpreter's slots have zeros there.

use super::shape::Shape;
use super::signature::{Signature, Thunk};

/// Numbers of the registers for integers: rdi, rsi, rdx, rcx, r8, r9.
const INTEGERS: [u8; 6] = [7, 6, 2, 1, 8, 9];
/// xmm0 to xmm7.
const FLOATS: u8 = 8;
/// Calling conventions, by LLVM's numbers, that are the C convention on x86-64: `ccc` and `fastcc`.
const CONVENTIONS: [u32; 2] = [0, 8];
const RAX: u8 = 0;
const RDX: u8 = 2;
const RBX: u8 = 3;
const RSP: u8 = 4;
const R10: u8 = 10;

/// A number in one register.
#[derive(Clone, Copy)]
enum Kind {
    /// So many bits; whether the sign fills its register up.
    Int(u32, bool),
    F32,
    F64,
}

/// Where an argument is.
#[derive(Clone, Copy)]
enum Place {
    Integer(u8),
    Float(u8),
    /// Word of the stack.
    Stack(usize),
}

fn kind(shape: Shape, text: &str) -> Option<Kind> {
    Some(match shape {
        Shape::Int(w) => Kind::Int(w, text.contains("signext")),
        Shape::F32 => Kind::F32,
        Shape::F64 => Kind::F64,
        _ => return None,
    })
}

/// Places of arguments, and the words they take on the stack.
fn places(kinds: &[Kind]) -> (Vec<Place>, usize) {
    let (mut integers, mut floats, mut words) = (0, 0, 0);
    let mut on_stack = || {
        words += 1;
        Place::Stack(words - 1)
    };
    let places = kinds
        .iter()
        .map(|kind| match kind {
            Kind::Int(..) => match INTEGERS.get(integers) {
                Some(register) => {
                    integers += 1;
                    Place::Integer(*register)
                }
                None => on_stack(),
            },
            Kind::F32 | Kind::F64 if floats < FLOATS => {
                floats += 1;
                Place::Float(floats - 1)
            }
            Kind::F32 | Kind::F64 => on_stack(),
        })
        .collect();
    (places, words)
}

/// The parts of a result: kind, byte of the result, register.
fn results(s: &Signature) -> Option<Vec<(Kind, usize, u8)>> {
    match s.result_shape {
        Shape::Void => return Some(Vec::new()),
        Shape::Aggregate(_) => {}
        shape => return Some(vec![(kind(shape, &s.result)?, 0, 0)]),
    }
    let (mut integers, mut floats) = ([RAX, RDX].into_iter(), 0_u8..2);
    s.result_fields
        .as_ref()?
        .iter()
        .map(|(shape, offset)| {
            let kind = kind(*shape, "")?;
            let register = match kind {
                Kind::Int(1 | 8 | 16 | 32 | 64, _) => integers.next()?,
                Kind::Int(..) => return None,
                Kind::F32 | Kind::F64 => floats.next()?,
            };
            Some((kind, *offset, register))
        })
        .collect()
}

/// The arguments, if each is one number that is passed as such.
fn arguments(s: &Signature) -> Option<Vec<Kind>> {
    if !CONVENTIONS.contains(&s.conv) || s.result.contains("inreg") {
        return None;
    }
    let special = |text: &str| {
        [" inreg", " nest", " swift", " byval"]
            .iter()
            .any(|word| text.contains(word))
    };
    s.params
        .iter()
        .map(|p| match p.by_value {
            None if !special(&p.text) => kind(p.shape, &p.text),
            _ => None,
        })
        .collect()
}

/// Machine code as it grows.
#[derive(Default)]
struct Code(Vec<u8>);

impl Code {
    fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// An instruction with a register and `[base + offset]`: prefix, whether it has 64 bits, opcode.
    fn memory(
        &mut self,
        prefix: &[u8],
        wide: bool,
        opcode: &[u8],
        register: u8,
        base: u8,
        offset: usize,
    ) {
        self.bytes(prefix);
        let rex = 0x40 | u8::from(wide) << 3 | (register >> 3) << 2 | base >> 3;
        if rex != 0x40 {
            self.bytes(&[rex]);
        }
        self.bytes(opcode);
        self.bytes(&[0x80 | (register & 7) << 3 | base & 7]);
        if base & 7 == RSP {
            self.bytes(&[0x24]);
        }
        // Frames are small: at most 32,000 words of arguments.
        self.bytes(&(offset as i32).to_le_bytes());
    }

    fn load(&mut self, register: u8, base: u8, offset: usize) {
        self.memory(&[], true, &[0x8B], register, base, offset);
    }

    fn store(&mut self, register: u8, base: u8, offset: usize) {
        self.memory(&[], true, &[0x89], register, base, offset);
    }

    fn load_float(&mut self, kind: Kind, register: u8, base: u8, offset: usize) {
        let prefix = if matches!(kind, Kind::F32) {
            0xF3
        } else {
            0xF2
        };
        self.memory(&[prefix], false, &[0x0F, 0x10], register, base, offset);
    }

    /// Zeros above the low `width` bits.
    fn cut(&mut self, register: u8, width: u32) {
        let high = register >> 3;
        match width {
            64.. => {}
            32 => {
                let rex = 0x40 | high << 2 | high;
                self.bytes(&[rex, 0x89, 0xC0 | (register & 7) << 3 | register & 7]);
            }
            _ => {
                let (rex, by) = (0x48 | high, 64 - width as u8);
                self.bytes(&[rex, 0xC1, 0xE0 | register & 7, by]);
                self.bytes(&[rex, 0xC1, 0xE8 | register & 7, by]);
            }
        }
    }

    /// The bits of an `xmm` register in rax, zeros above.
    fn bits_of_float(&mut self, kind: Kind, register: u8) {
        let rex: &[u8] = if matches!(kind, Kind::F64) {
            &[0x48]
        } else {
            &[]
        };
        self.bytes(&[0x66]);
        self.bytes(rex);
        self.bytes(&[0x0F, 0x7E, 0xC0 | register << 3]);
    }
}

/// Bytes of an `xmm` or integer part in memory.
fn store_part(code: &mut Code, kind: Kind, register: u8, offset: usize) {
    match kind {
        Kind::F32 => code.memory(&[0xF3], false, &[0x0F, 0x11], register, RBX, offset),
        Kind::F64 => code.memory(&[0xF2], false, &[0x0F, 0x11], register, RBX, offset),
        Kind::Int(1, _) => {
            code.cut(register, 1);
            code.memory(&[], false, &[0x88], register, RBX, offset);
        }
        Kind::Int(8, _) => code.memory(&[], false, &[0x88], register, RBX, offset),
        Kind::Int(16, _) => code.memory(&[0x66], false, &[0x89], register, RBX, offset),
        Kind::Int(32, _) => code.memory(&[], false, &[0x89], register, RBX, offset),
        Kind::Int(..) => code.store(register, RBX, offset),
    }
}

/// Code `void (function, slots, result)` that makes a call of this type; `None` for types of `bridge.rs`.
pub(crate) fn thunk(thunk: &Thunk) -> Option<Vec<u8>> {
    let s = &thunk.signature;
    if thunk.operation.is_some() {
        return None;
    }
    let kinds = arguments(s)?;
    let parts = results(s)?;
    let (places, words) = places(&kinds);
    let mut code = Code::default();
    // push rbp; mov rbp, rsp; push rbx; sub rsp, area: the stack is aligned at the call.
    let area = (words * 8 + 8).next_multiple_of(16) + 8;
    code.bytes(&[0x55, 0x48, 0x89, 0xE5, 0x53, 0x48, 0x81, 0xEC]);
    code.bytes(&(area as i32).to_le_bytes());
    // mov rbx, rdx (result); mov r11, rdi (function); mov r10, rsi (slots)
    code.bytes(&[0x48, 0x89, 0xD3, 0x49, 0x89, 0xFB, 0x49, 0x89, 0xF2]);
    let mut floats = 0;
    for (i, (kind, place)) in kinds.iter().zip(&places).enumerate() {
        // The hidden va_list is for interpreted callees.
        let hidden = usize::from(s.variadic && i >= s.fixed);
        let from = (i + hidden) * 8;
        let sign: Option<&[u8]> = match kind {
            Kind::Int(8, true) => Some(&[0x0F, 0xBE]),
            Kind::Int(16, true) => Some(&[0x0F, 0xBF]),
            Kind::Int(_, true) if !matches!(kind, Kind::Int(32 | 64, _)) => return None,
            _ => None,
        };
        match (place, sign) {
            (Place::Integer(register), Some(opcode)) => {
                code.memory(&[], true, opcode, *register, R10, from);
            }
            (Place::Integer(register), None) => code.load(*register, R10, from),
            (Place::Float(register), _) => {
                floats += 1;
                code.load_float(*kind, *register, R10, from);
            }
            (Place::Stack(word), sign) => {
                match sign {
                    Some(opcode) => code.memory(&[], true, opcode, RAX, R10, from),
                    None => code.load(RAX, R10, from),
                }
                code.store(RAX, RSP, word * 8);
            }
        }
    }
    // mov eax, number of xmm registers (for variadic functions); call r11
    code.bytes(&[0xB8]);
    code.bytes(&i32::to_le_bytes(floats));
    code.bytes(&[0x41, 0xFF, 0xD3]);
    let is_one_slot = !matches!(s.result_shape, Shape::Aggregate(_));
    for (kind, offset, register) in parts {
        match kind {
            Kind::Int(width, _) if is_one_slot => {
                code.cut(register, width);
                code.store(register, RBX, offset);
            }
            Kind::F32 | Kind::F64 if is_one_slot => {
                code.bits_of_float(kind, register);
                code.store(RAX, RBX, offset);
            }
            _ => store_part(&mut code, kind, register, offset),
        }
    }
    // lea rsp, [rbp - 8]; pop rbx; pop rbp; ret
    code.bytes(&[0x48, 0x8D, 0x65, 0xF8, 0x5B, 0x5D, 0xC3]);
    Some(code.0)
}

/// Code of this type that calls `enter(entry, slots, result)` with the entry in r10; `None` for types of `bridge.rs`.
pub(crate) fn adapter(s: &Signature, enter: u64) -> Option<Vec<u8>> {
    if s.variadic {
        return None;
    }
    let kinds = arguments(s)?;
    let parts = results(s)?;
    let (places, _) = places(&kinds);
    let result = kinds.len().max(1) * 8;
    let frame = (result + s.result_shape.slots().max(1) * 8).next_multiple_of(16);
    let mut code = Code::default();
    // push rbp; mov rbp, rsp; sub rsp, frame
    code.bytes(&[0x55, 0x48, 0x89, 0xE5, 0x48, 0x81, 0xEC]);
    code.bytes(&(frame as i32).to_le_bytes());
    for (i, (kind, place)) in kinds.iter().zip(&places).enumerate() {
        let width = match kind {
            Kind::Int(width, _) => *width,
            Kind::F32 => 32,
            Kind::F64 => 64,
        };
        let register = match place {
            Place::Integer(register) => {
                code.cut(*register, width);
                *register
            }
            Place::Float(register) => {
                code.bits_of_float(*kind, *register);
                RAX
            }
            Place::Stack(word) => {
                // Behind the saved rbp and the return address.
                code.load(RAX, 5, 16 + word * 8);
                code.cut(RAX, width);
                RAX
            }
        };
        code.store(register, RSP, i * 8);
    }
    // mov rdi, r10; mov rsi, rsp; lea rdx, [rsp + result]; movabs rax, enter; call rax
    code.bytes(&[0x4C, 0x89, 0xD7, 0x48, 0x89, 0xE6, 0x48, 0x8D, 0x94, 0x24]);
    code.bytes(&(result as i32).to_le_bytes());
    code.bytes(&[0x48, 0xB8]);
    code.bytes(&enter.to_le_bytes());
    code.bytes(&[0xFF, 0xD0]);
    for (kind, offset, register) in parts {
        let from = result + offset;
        match kind {
            Kind::Int(8, true) => code.memory(&[], true, &[0x0F, 0xBE], register, RSP, from),
            Kind::Int(16, true) => code.memory(&[], true, &[0x0F, 0xBF], register, RSP, from),
            Kind::Int(w, true) if w < 32 => return None,
            Kind::Int(..) => code.load(register, RSP, from),
            Kind::F32 | Kind::F64 => code.load_float(kind, register, RSP, from),
        }
    }
    if s.params.first().is_some_and(|p| p.text.contains(" sret")) {
        // The address of the result is a result, too.
        code.load(RAX, RSP, 0);
    }
    // leave; ret
    code.bytes(&[0xC9, 0xC3]);
    Some(code.0)
}
