//! Where a thread is in the guest: names and source lines for addresses, for whoever tells of a fault.
//!
//! Made for signal handlers of threads that faulted while they ran guest code: no lock is waited for for long, and nothing allocates
//! but the reading of source lines of compiled code, which is done only if it is asked for. Interpreted functions are found
//! by the address of the instruction they are at, or of their decoded form, which the interpreter's loop holds in a
//! register or on its stack; their callers' are saved in the interpreter's frames.

use super::Engine;
use super::function::Osr;
use crate::interp::{self, Code, FuncEntry};
use crate::memory::{SourceFrame, Unit};

/// What a thread is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'n> {
    /// Compiled code of a function.
    Compiled {
        /// Its symbol; loops entered by on-stack replacement have symbols made from the function's.
        function: &'n str,
        /// Bytes from its start.
        offset: usize,
        /// The source lines, what was inlined first; empty if they are not known or were not asked for.
        lines: &'n [SourceFrame<'n>],
    },
    /// An interpreted function.
    Interpreted {
        /// Its symbol.
        function: &'n str,
        /// The source lines, what was inlined first; empty if they are not known.
        lines: &'n [SourceFrame<'n>],
    },
    /// Code of the program that was replaced since, and whose name is not at hand.
    Replaced,
}

impl Place<'_> {
    /// Tells `visit` that code of `function` is `offset` bytes from its start; with the source lines, if `frames` calls what
    /// it is given with some.
    pub fn visit_code(
        function: &str,
        offset: usize,
        frames: impl FnOnce(&mut dyn FnMut(&[SourceFrame<'_>])),
        visit: &mut dyn FnMut(Place<'_>),
    ) {
        let mut is_told = false;
        frames(&mut |lines| {
            is_told = true;
            visit(Place::Compiled {
                function,
                offset,
                lines,
            });
        });
        if !is_told {
            visit(Place::Compiled {
                function,
                offset,
                lines: &[],
            });
        }
    }
}

fn name_in(unit: &Unit, address: usize) -> Option<(&str, usize)> {
    let after = unit.functions().partition_point(|f| f.address <= address);
    let f = unit.functions().get(after.checked_sub(1)?)?;
    (address < f.address + f.size.max(1)).then_some((&*f.name, address - f.address))
}

fn show(
    unit: &Unit,
    address: usize,
    (function, offset): (&str, usize),
    lines: bool,
    visit: &mut dyn FnMut(Place<'_>),
) {
    let frames = |tell: &mut dyn FnMut(&[SourceFrame<'_>])| {
        if lines {
            unit.source_frames(address, tell);
        }
    };
    Place::visit_code(function, offset, frames, visit);
}

impl Engine {
    /// The function that a symbol was made from, for copies that specialisation makes: `f.spec.0`, `f.generic`.
    fn original<'n>(&self, (symbol, offset): (&'n str, usize)) -> (&'n str, usize) {
        let is_guests = |name: &str| self.shared.image.function(name).is_some();
        let cut = symbol
            .strip_suffix(".generic")
            .or_else(|| symbol.rsplit_once(".spec.").map(|(name, _)| name));
        let name = cut.filter(|name| !is_guests(symbol) && is_guests(name));
        (name.unwrap_or(symbol), offset)
    }

    /// Tells `visit` what guest code is at `address`, with source lines if `lines` allows memory to be allocated. False,
    /// and no call, if there is none.
    pub fn locate_code(
        &self,
        address: usize,
        lines: bool,
        visit: &mut dyn FnMut(Place<'_>),
    ) -> bool {
        let image = &self.shared.image;
        if !image.names().region.code_range().contains(&address) {
            return false;
        }
        for f in &self.shared.functions {
            let Some(state) = f.state_briefly() else {
                continue;
            };
            let osr = state.osr.values().filter_map(|o| match o {
                Osr::Ready(_, unit) => Some(unit),
                _ => None,
            });
            let mut units = state.unit.iter().chain(osr);
            if let Some(unit) = units.find(|u| u.range().contains(&address)) {
                let named = name_in(unit, address).unwrap_or((f.profile.name(), 0));
                show(unit, address, self.original(named), lines, visit);
                return true;
            }
        }
        match image.unit_at(address) {
            // Stubs, and the ways into and out of the interpreter, are not the guest's own.
            Some(unit) => match name_in(unit, address).filter(|(n, _)| image.function(n).is_some())
            {
                Some(named) => {
                    show(unit, address, named, lines, visit);
                    true
                }
                None => false,
            },
            None => {
                // A call under way stays in the code it began in, whatever was published since.
                let mut is_known = false;
                self.shared.reclaimer.try_find(address, &mut |unit| {
                    if let Some(named) = name_in(unit, address) {
                        show(unit, address, self.original(named), lines, visit);
                        is_known = true;
                    }
                });
                if !is_known {
                    visit(Place::Replaced);
                }
                true
            }
        }
    }

    /// Tells `visit` in which interpreted functions this thread is, the innermost first, as far as `registers` and
    /// `stack`, the words at its stack pointer, show. `visit` answers whether it wants more.
    pub fn locate_interpreted(
        &self,
        registers: &[usize],
        stack: &[usize],
        visit: &mut dyn FnMut(Place<'_>) -> bool,
    ) {
        let coded = |belongs: &dyn Fn(&Code) -> bool| {
            let codes = self.shared.image.functions().filter_map(FuncEntry::code);
            codes.into_iter().find(|code| belongs(code))
        };
        let form = |word: usize| coded(&|code| std::ptr::from_ref(code).addr() == word);
        let mut tell = |code: &Code, address: Option<usize>| {
            let function = code.name();
            let mut more = true;
            match address {
                Some(address) => code.source_frames(code.number_at(address), &mut |lines| {
                    more = visit(Place::Interpreted { function, lines });
                }),
                None => {
                    more = visit(Place::Interpreted {
                        function,
                        lines: &[],
                    });
                }
            }
            more
        };
        // The loop holds the address of the instruction it is at in a register, or has saved it on the stack: it tells the
        // function that runs. Beside it there may be that of the next instruction.
        let at = |word: &usize| coded(&|code| code.is_at(*word));
        let first = registers.iter().chain(stack).find_map(at);
        if let Some(code) = first {
            let inside = |words: &[usize]| words.iter().copied().filter(|w| code.is_at(*w)).min();
            let address =
                inside(registers).or_else(|| stack.iter().copied().find(|w| code.is_at(*w)));
            if !tell(code, address) {
                return;
            }
        }
        let mut told = [std::ptr::null::<Code>(); 16];
        let mut count = 0;
        let mut note = |code: &Code, told: &mut [*const Code; 16]| {
            if let Some(place) = told.get_mut(count) {
                *place = code;
                count += 1;
            }
        };
        if let Some(code) = first {
            note(code, &mut told);
        }
        // A frame has its caller's form above the address of the call there; so has the place of a call that was measured.
        let mut has_enough = false;
        let mut caller: Option<&Code> = None;
        interp::frame_words(registers, &mut |word| {
            if let Some(code) = caller.take() {
                note(code, &mut told);
                has_enough = !tell(code, Some(word).filter(|w| code.is_at(*w)));
            }
            caller = form(word);
            !has_enough
        });
        if has_enough {
            return;
        }
        // A loop that machine code began has no caller's form. But if the loop around it waits, its form and place are on the
        // machine's stack. An older call may have left its own there: so all are named.
        for code in registers.iter().chain(stack).filter_map(|word| form(*word)) {
            if told.iter().any(|known| std::ptr::eq(*known, code)) {
                continue;
            }
            note(code, &mut told);
            let address = stack.iter().copied().find(|word| code.is_at(*word));
            if !tell(code, address) {
                return;
            }
        }
    }
}
