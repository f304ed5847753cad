//! Links one relocatable object into a unit that can be called.
//!
//! ```text
//!  read-execute                                              read-write, if there is any
//!  | text ... | thunks | constants ... | address words (GOT) | data, zeroed data |
//! ```
//!
//! How a name is reached:
//!
//! | reference | the object's own definition | function with a slot | other function | data |
//! |---|---|---|---|---|
//! | direct call or jump | straight | thunk `jmp *slot` | straight, or thunk `jmp *word` if far | as other function |
//! | `call`, `jmp` through the GOT | straight | through the slot itself | straight, or through a word | through a word |
//! | `mov` from the GOT | `lea` | `lea` or word with the address | `lea` or word | `lea` or word |
//! | any other use | address | address | address, error if far | address, error if far |
//!
//! A function that is defined here *and* known to [`Symbols`] (a newer version of a guest function) has two meanings. A
//! direct call is a call within the unit. Every other use means what `Symbols` says: its address is the same for the
//! whole program, whatever the tier, and calls through the GOT (recursive calls of functions that are not `dso_local`)
//! go through the slot, so that a recursion climbs to better code too. Therefore no pointer to a unit gets out, which
//! [`reclaim`](super::Reclaimer) relies on; definitions must not be `dso_local`, or LLVM takes their address without
//! asking anybody.
//!
//! Nothing is left behind when linking fails: pages are taken last and given back on errors.

use super::MemoryError;
use super::debug::Debug;
use super::elf::{Kind, Object, Place, Relocation};
use super::pages::PAGE;
use super::region::{Region, Writing};
use super::unit::{Unit, UnitFunction};
use object::elf;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// What a name means outside the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symbol {
    /// Code.
    Function {
        /// Its address for everybody: for guest functions the stub's. Never inside a unit that can be freed.
        address: usize,
        /// Address of its slot, in the same region, if calls are to follow it.
        slot: Option<usize>,
    },
    /// A variable.
    Data(usize),
}

impl Symbol {
    fn address(self) -> usize {
        match self {
            Symbol::Function { address, .. } | Symbol::Data(address) => address,
        }
    }
}

/// Knows what names mean outside the object.
pub trait Symbols {
    /// The symbol of that name, if there is one.
    fn find(&self, name: &str) -> Option<Symbol>;
}

impl<F: Fn(&str) -> Option<Symbol>> Symbols for F {
    fn find(&self, name: &str) -> Option<Symbol> {
        self(name)
    }
}

/// Bytes of a thunk: `jmp *disp(%rip)`, padded.
const THUNK: usize = 8;
/// Bytes of a word of the GOT.
const WORD: usize = 8;
/// Fills what is never executed: `int3`.
const FILL: u8 = 0xcc;

/// The two meanings a symbol of the object can have.
#[derive(Debug, Clone, Copy, Default)]
struct Meaning {
    /// Section and offset in the object.
    here: Option<(usize, usize)>,
    /// What the rest of the program means by it.
    there: Option<Symbol>,
}

/// Where a value comes from, before addresses are known.
#[derive(Debug, Clone, Copy)]
enum Value {
    /// Section and offset in the object.
    Here(usize, usize),
    /// Address outside.
    There(usize),
    /// Thunk of that number.
    Thunk(usize),
    /// GOT word of that number; number 0 is also where the GOT starts.
    Word(usize),
}

/// How a place changes.
#[derive(Debug, Clone, Copy)]
enum Change {
    /// 64 bits, value + addend.
    Absolute64,
    /// 32 bits, zero-extended by the code.
    Unsigned32,
    /// 32 bits, sign-extended by the code.
    Signed32,
    /// 32 bits relative to the place.
    Relative32,
    /// 64 bits relative to the place.
    Relative64,
    /// 64 bits relative to the start of the GOT.
    FromGot64,
    /// As `Relative32`, after the instruction's opcode became `lea`.
    Lea,
    /// As `Relative32`, after `call *x(%rip)` became `addr32 call x`.
    Call,
    /// `jmp *x(%rip)` becomes `jmp x`, a byte earlier.
    Jump,
}

impl Change {
    fn bytes(self) -> usize {
        match self {
            Change::Absolute64 | Change::Relative64 | Change::FromGot64 => 8,
            _ => 4,
        }
    }
}

struct Fix {
    section: usize,
    offset: usize,
    symbol: usize,
    addend: i64,
    change: Change,
    value: Value,
}

/// Everything that is decided before addresses are known.
#[derive(Default)]
struct Plan {
    fixes: Vec<Fix>,
    /// What each thunk jumps through.
    thunks: Vec<Value>,
    /// What each GOT word holds.
    words: Vec<Value>,
    thunk_of: HashMap<usize, usize>,
    word_of: HashMap<usize, usize>,
}

impl Plan {
    fn word(&mut self, symbol: usize, value: Value) -> Value {
        let words = &mut self.words;
        let number = *self.word_of.entry(symbol).or_insert_with(|| {
            words.push(value);
            words.len() - 1
        });
        Value::Word(number)
    }

    fn thunk(&mut self, symbol: usize, through: Value) -> Value {
        let thunks = &mut self.thunks;
        let number = *self.thunk_of.entry(symbol).or_insert_with(|| {
            thunks.push(through);
            thunks.len() - 1
        });
        Value::Thunk(number)
    }
}

struct Planner<'a, 'd> {
    region: &'a Region,
    object: &'a Object<'d>,
    meanings: Vec<Meaning>,
    plan: Plan,
}

/// Gives every symbol that a relocation uses its meaning.
fn meanings(object: &Object<'_>, symbols: &dyn Symbols) -> Result<Vec<Meaning>, MemoryError> {
    let mut meanings = vec![Meaning::default(); object.symbols.len()];
    let mut known = vec![false; object.symbols.len()];
    let mut missing = BTreeSet::new();
    let relocations = object.sections.iter().flat_map(|s| s.relocations);
    for number in relocations.map(|r| Relocation::from(r).symbol) {
        let Some(symbol) = object.symbols.get(number) else {
            return Err(MemoryError::Symbol {
                symbol: format!("number {number}"),
                reason: "a relocation refers to it, but the object does not have it",
            });
        };
        if std::mem::replace(&mut known[number], true) {
            continue;
        }
        let outside = || symbols.find(&symbol.name);
        meanings[number] = match symbol.place {
            Place::Section(section, offset) => {
                let published = symbol.is_global && symbol.is_function;
                let there = if published { outside() } else { None };
                Meaning {
                    here: Some((section, offset)),
                    there: there.filter(|s| matches!(s, Symbol::Function { .. })),
                }
            }
            Place::Absolute(address) => Meaning {
                here: None,
                there: Some(Symbol::Data(address)),
            },
            Place::Undefined | Place::Weak => {
                let there = outside();
                if there.is_none() && symbol.place == Place::Undefined {
                    missing.insert(symbol.name.clone());
                }
                Meaning {
                    here: None,
                    there: Some(there.unwrap_or(Symbol::Data(0))),
                }
            }
            Place::LeftOut => {
                return Err(MemoryError::Symbol {
                    symbol: symbol.name.clone(),
                    reason: "code refers to it, but its section is left out",
                });
            }
        };
    }
    if !missing.is_empty() {
        let symbols = missing.into_iter().collect();
        return Err(MemoryError::Undefined { symbols });
    }
    Ok(meanings)
}

impl Planner<'_, '_> {
    /// The one address of a symbol, and whether all code reaches it.
    fn address(&self, meaning: Meaning) -> (Value, bool) {
        match (meaning.there, meaning.here) {
            (Some(there), _) => {
                let address = there.address();
                (Value::There(address), self.region.reaches(address))
            }
            (None, Some((section, offset))) => (Value::Here(section, offset), true),
            (None, None) => (Value::There(0), self.region.reaches(0)),
        }
    }

    /// Where a direct call or jump goes.
    fn branch(&mut self, symbol: usize) -> Value {
        let meaning = self.meanings[symbol];
        if let Some((section, offset)) = meaning.here {
            return Value::Here(section, offset);
        }
        if let Some(Symbol::Function {
            slot: Some(slot), ..
        }) = meaning.there
        {
            return self.plan.thunk(symbol, Value::There(slot));
        }
        match self.address(meaning) {
            (value, true) => value,
            (value, false) => {
                let word = self.plan.word(symbol, value);
                self.plan.thunk(symbol, word)
            }
        }
    }

    /// How an instruction that may be rewritten gets at an address word. `opcode` is the two bytes before the place.
    fn through_got(&mut self, symbol: usize, opcode: [u8; 2]) -> (Change, Value) {
        let meaning = self.meanings[symbol];
        let (value, near) = self.address(meaning);
        let slot = match meaning.there {
            Some(Symbol::Function { slot, .. }) => slot,
            _ => None,
        };
        match opcode {
            // call *x(%rip), jmp *x(%rip): the slot is the word.
            [0xff, 0x15 | 0x25] if slot.is_some() => {
                (Change::Relative32, Value::There(slot.unwrap_or_default()))
            }
            [0xff, 0x15] if near => (Change::Call, value),
            [0xff, 0x25] if near => (Change::Jump, value),
            // mov x(%rip), %reg
            [0x8b, modrm] if modrm & 0xc7 == 0x05 && near => (Change::Lea, value),
            _ => (Change::Relative32, self.plan.word(symbol, value)),
        }
    }

    fn add(&mut self, section: usize, relocation: Relocation) -> Result<(), MemoryError> {
        let Relocation {
            offset,
            kind,
            symbol,
            addend,
        } = relocation;
        let (data, name) = {
            let section = &self.object.sections[section];
            (section.data, &section.name)
        };
        let meaning = self.meanings[symbol];
        let at = usize::try_from(offset).unwrap_or(usize::MAX);
        let before = |n: usize| at.checked_sub(n).and_then(|from| data.get(from..at));
        let opcode = match before(2) {
            Some(&[first, second]) => [first, second],
            _ => [0; 2],
        };
        let in_text = self.object.sections[section].kind == Kind::Text;
        // No operand relative to the instruction pointer follows these bytes except a branch's: its ModRM would be here.
        let is_branch = in_text
            && addend == -4
            && (matches!(opcode, [_, 0xe8 | 0xe9]) || matches!(opcode, [0x0f, 0x80..=0x8f]));
        let (change, value) = match elf::RelocationType(kind) {
            elf::R_X86_64_NONE => return Ok(()),
            elf::R_X86_64_64 => (Change::Absolute64, self.address(meaning).0),
            elf::R_X86_64_32 => (Change::Unsigned32, self.address(meaning).0),
            elf::R_X86_64_32S => (Change::Signed32, self.address(meaning).0),
            elf::R_X86_64_PC64 => (Change::Relative64, self.address(meaning).0),
            elf::R_X86_64_PC32 if is_branch => (Change::Relative32, self.branch(symbol)),
            elf::R_X86_64_PC32 => (Change::Relative32, self.address(meaning).0),
            elf::R_X86_64_PLT32 if is_branch => (Change::Relative32, self.branch(symbol)),
            // An address of which only the code behind it matters, as in tables of offsets.
            elf::R_X86_64_PLT32 => match self.address(meaning) {
                (value, true) => (Change::Relative32, value),
                (_, false) => (Change::Relative32, self.branch(symbol)),
            },
            elf::R_X86_64_GOTPCREL => {
                let value = self.address(meaning).0;
                (Change::Relative32, self.plan.word(symbol, value))
            }
            elf::R_X86_64_GOTPCRELX
            | elf::R_X86_64_REX_GOTPCRELX
            | elf::R_X86_64_CODE_4_GOTPCRELX
                if in_text && addend == -4 =>
            {
                self.through_got(symbol, opcode)
            }
            elf::R_X86_64_GOTPCRELX
            | elf::R_X86_64_REX_GOTPCRELX
            | elf::R_X86_64_CODE_4_GOTPCRELX => {
                let value = self.address(meaning).0;
                (Change::Relative32, self.plan.word(symbol, value))
            }
            // The symbol is the GOT itself.
            elf::R_X86_64_GOTPC32 => (Change::Relative32, Value::Word(0)),
            elf::R_X86_64_GOTPC64 => (Change::Relative64, Value::Word(0)),
            elf::R_X86_64_GOTOFF64 => (Change::FromGot64, self.address(meaning).0),
            _ => {
                return Err(MemoryError::Relocation {
                    kind,
                    section: name.clone(),
                    offset,
                    symbol: self.object.symbols[symbol].name.clone(),
                });
            }
        };
        if at
            .checked_add(change.bytes())
            .is_none_or(|end| end > data.len())
        {
            return Err(MemoryError::Outside {
                section: name.clone(),
                offset,
                size: data.len(),
            });
        }
        self.plan.fixes.push(Fix {
            section,
            offset: at,
            symbol,
            addend,
            change,
            value,
        });
        Ok(())
    }
}

/// Offsets in the unit.
struct Layout {
    sections: Vec<usize>,
    thunks: usize,
    words: usize,
    /// Where what is not executed, but constant, ends.
    sealed: usize,
    end: usize,
}

fn layout(object: &Object<'_>, plan: &Plan) -> Layout {
    let mut sections = vec![0; object.sections.len()];
    let mut at = 0_usize;
    let mut place = |kind: Kind, at: &mut usize| {
        for (section, offset) in object.sections.iter().zip(&mut sections) {
            if section.kind == kind {
                *offset = at.next_multiple_of(section.align);
                *at = *offset + section.size;
            }
        }
    };
    place(Kind::Text, &mut at);
    // A return address behind a last call that never returns is still in the unit.
    let thunks = (at + 1).next_multiple_of(THUNK);
    at = thunks + plan.thunks.len() * THUNK;
    place(Kind::Constant, &mut at);
    let words = at.next_multiple_of(WORD);
    let sealed = (words + plan.words.len() * WORD)
        .max(1)
        .next_multiple_of(PAGE);
    at = sealed;
    place(Kind::Data, &mut at);
    Layout {
        sections,
        thunks,
        words,
        sealed,
        end: at,
    }
}

/// Addresses of a unit whose pages are known.
struct Placed<'a> {
    base: usize,
    layout: &'a Layout,
}

impl Placed<'_> {
    fn address(&self, value: Value) -> usize {
        match value {
            Value::Here(section, offset) => self.base + self.layout.sections[section] + offset,
            Value::There(address) => address,
            Value::Thunk(number) => self.base + self.layout.thunks + number * THUNK,
            Value::Word(number) => self.base + self.layout.words + number * WORD,
        }
    }

    /// Changes one place of the unit's bytes.
    fn fix(&self, fix: &Fix, object: &Object<'_>, bytes: &mut [u8]) -> Result<(), MemoryError> {
        let mut at = self.layout.sections[fix.section] + fix.offset;
        match fix.change {
            Change::Lea => bytes[at - 2] = 0x8d,
            Change::Call => bytes[at - 2..at].copy_from_slice(&[0x67, 0xe8]),
            Change::Jump => {
                bytes[at - 2] = 0xe9;
                bytes[at + 3] = 0x90;
                at -= 1;
            }
            _ => {}
        }
        let value = self.address(fix.value) as i128 + i128::from(fix.addend);
        let place = (self.base + at) as i128;
        let got = (self.base + self.layout.words) as i128;
        let (value, bits, range) = match fix.change {
            Change::Absolute64 => (value, 64, None),
            Change::Relative64 => (value - place, 64, None),
            Change::FromGot64 => (value - got, 64, None),
            Change::Unsigned32 => (value, 32, Some(0..=i128::from(u32::MAX))),
            Change::Signed32 => (value, 32, Some(i128::from(i32::MIN)..=i128::from(i32::MAX))),
            Change::Relative32 | Change::Lea | Change::Call | Change::Jump => (
                value - place,
                32,
                Some(i128::from(i32::MIN)..=i128::from(i32::MAX)),
            ),
        };
        if range.is_some_and(|range| !range.contains(&value)) {
            return Err(MemoryError::Range {
                section: object.sections[fix.section].name.clone(),
                offset: fix.offset as u64,
                symbol: object.symbols[fix.symbol].name.clone(),
                value: value as i64,
                bits,
            });
        }
        let size = fix.change.bytes();
        // Two's complement: the low bytes are the value modulo 2^bits.
        bytes[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
        Ok(())
    }

    /// Writes everything.
    fn write(&self, object: &Object<'_>, plan: &Plan, bytes: &mut [u8]) -> Result<(), MemoryError> {
        bytes[..self.layout.sealed].fill(FILL);
        for (section, &offset) in object.sections.iter().zip(&self.layout.sections) {
            let (contents, zeroes) =
                bytes[offset..offset + section.size].split_at_mut(section.data.len());
            contents.copy_from_slice(section.data);
            zeroes.fill(0);
        }
        for (number, &through) in plan.thunks.iter().enumerate() {
            let at = self.layout.thunks + number * THUNK;
            // Words and slots are in the region, which is smaller than the reach.
            let from = self.base + at + 6;
            let distance = self.address(through).wrapping_sub(from) as u32;
            bytes[at..at + 2].copy_from_slice(&[0xff, 0x25]);
            bytes[at + 2..at + 6].copy_from_slice(&distance.to_le_bytes());
        }
        for (number, &value) in plan.words.iter().enumerate() {
            let at = self.layout.words + number * WORD;
            let value = self.address(value) as u64;
            bytes[at..at + WORD].copy_from_slice(&value.to_le_bytes());
        }
        plan.fixes
            .iter()
            .try_for_each(|fix| self.fix(fix, object, bytes))
    }
}

/// The object's bytes at an address the reader's types need.
fn aligned(object: &[u8]) -> Cow<'_, [u8]> {
    const ALIGN: usize = 8;
    if object.as_ptr().align_offset(ALIGN) == 0 {
        return Cow::Borrowed(object);
    }
    let mut copy = vec![0; object.len() + ALIGN];
    let skip = copy.as_ptr().align_offset(ALIGN);
    copy[skip..skip + object.len()].copy_from_slice(object);
    copy.truncate(skip + object.len());
    copy.drain(..skip);
    Cow::Owned(copy)
}

/// Links one relocatable ELF object into new pages of the region.
///
/// Slots that `symbols` gives must be in the region.
///
/// # Errors
/// Every [`MemoryError`] but `TooLarge`; nothing stays allocated.
pub fn link(
    region: &Arc<Region>,
    object: &[u8],
    symbols: &dyn Symbols,
) -> Result<Unit, MemoryError> {
    let bytes = aligned(object);
    let object = Object::parse(&bytes)?;
    let meanings = meanings(&object, symbols)?;
    let mut planner = Planner {
        region,
        object: &object,
        meanings,
        plan: Plan::default(),
    };
    for (number, section) in object.sections.iter().enumerate() {
        for relocation in section.relocations {
            planner.add(number, relocation.into())?;
        }
    }
    let plan = planner.plan;
    let layout = layout(&object, &plan);
    let mut pages = Writing::new(region, layout.end)?;
    let placed = Placed {
        base: pages.address(),
        layout: &layout,
    };
    placed.write(&object, &plan, pages.bytes())?;
    let mut symbols = HashMap::new();
    let mut functions = Vec::new();
    for symbol in &object.symbols {
        let Place::Section(section, offset) = symbol.place else {
            continue;
        };
        if symbol.is_section || symbol.name.is_empty() {
            continue;
        }
        let address = placed.address(Value::Here(section, offset));
        symbols.insert(symbol.name.clone(), address);
        if symbol.is_function {
            functions.push(UnitFunction {
                name: symbol.name.clone(),
                address,
                size: symbol.size,
            });
        }
    }
    let debug = Debug::new(&object, |section, offset| {
        placed.address(Value::Here(section, offset))
    });
    let pages = pages.seal(layout.sealed)?;
    let writable = layout.end.next_multiple_of(PAGE) - layout.sealed;
    let unit = Unit::new(pages, symbols, functions, bytes.len(), writable);
    Ok(unit.with_debug(debug))
}
