//! Where a thread is in the guest: names for addresses, for whoever tells of a fault.
//!
//! Made for signal handlers of threads that faulted while they ran guest code: nothing here allocates, and no lock is
//! waited for. Interpreted functions are found by their decoded form, whose address the interpreter's loop holds in a
//! register or in its own frame, and whose callers' are saved in the interpreter's frames.

use super::Engine;
use super::function::Osr;
use crate::interp::{self, FuncEntry};
use crate::memory::Unit;

/// What a thread is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'n> {
    /// Compiled code of a function.
    Compiled {
        /// Its symbol; loops entered by on-stack replacement and variants have symbols made from the function's.
        function: &'n str,
        /// Bytes from its start.
        offset: usize,
    },
    /// An interpreted function.
    Interpreted {
        /// Its symbol.
        function: &'n str,
    },
    /// Code of the program that was replaced since, and whose name is not at hand.
    Replaced,
}

fn name_in(unit: &Unit, address: usize) -> Option<(&str, usize)> {
    let after = unit.functions().partition_point(|f| f.address <= address);
    let f = unit.functions().get(after.checked_sub(1)?)?;
    (address < f.address + f.size.max(1)).then_some((&*f.name, address - f.address))
}

impl Engine {
    /// Tells `visit` what guest code is at `address`. False, and no call, if there is none.
    pub fn locate_code(&self, address: usize, visit: &mut dyn FnMut(Place<'_>)) -> bool {
        let image = &self.shared.image;
        if !image.names().region.code_range().contains(&address) {
            return false;
        }
        for f in &self.shared.functions {
            let Some(state) = f.try_state() else { continue };
            let osr = state.osr.values().filter_map(|o| match o {
                Osr::Ready(_, unit) => Some(unit),
                _ => None,
            });
            let mut units = state.unit.iter().chain(osr);
            if let Some(unit) = units.find(|u| u.range().contains(&address)) {
                let (function, offset) = name_in(unit, address).unwrap_or((f.profile.name(), 0));
                visit(Place::Compiled { function, offset });
                return true;
            }
        }
        match image.unit_at(address) {
            // Stubs, and the ways into and out of the interpreter, are not the guest's own.
            Some(unit) => match name_in(unit, address).filter(|(n, _)| image.function(n).is_some())
            {
                Some((function, offset)) => {
                    visit(Place::Compiled { function, offset });
                    true
                }
                None => false,
            },
            None => {
                // A call under way stays in the code it began in, whatever was published since.
                let mut is_known = false;
                self.shared.reclaimer.try_find(address, &mut |unit| {
                    if let Some((function, offset)) = name_in(unit, address) {
                        visit(Place::Compiled { function, offset });
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
        let named = |belongs: &dyn Fn(&interp::Code) -> bool| {
            let mut entries = self.shared.image.functions();
            let found = entries.find(|e: &&FuncEntry| e.code().is_some_and(belongs));
            found.map(FuncEntry::name)
        };
        let name = |word: usize| named(&|code| std::ptr::from_ref(code).addr() == word);
        // The loop holds the address of the instruction it is at in a register: it tells the function that runs.
        let at = |word: &usize| named(&|code| code.is_at(*word));
        let mut is_known = false;
        if let Some(function) = registers.iter().find_map(at) {
            is_known = true;
            if !visit(Place::Interpreted { function }) {
                return;
            }
        }
        // An older call may have left its form in one of these: so all are named.
        for function in registers.iter().chain(stack).filter_map(|word| name(*word)) {
            is_known = true;
            if !visit(Place::Interpreted { function }) {
                return;
            }
        }
        if is_known {
            interp::frame_words(registers, &mut |word| match name(word) {
                Some(function) => visit(Place::Interpreted { function }),
                None => true,
            });
        }
    }
}
