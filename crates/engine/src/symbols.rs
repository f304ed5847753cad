//! Names and source lines of code addresses, for messages about faults.

use crate::memory::{Debug, SourceFrame};

/// Where an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<'a> {
    /// Symbol of the function, as the compiler mangled it.
    pub function: &'a str,
    /// Bytes from its start.
    pub offset: usize,
}

/// A function in memory.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Function {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) name: String,
    /// Which object it is from.
    pub(crate) object: usize,
}

/// Functions by address, and their source lines. Finding a function does not allocate: it may be done in a signal handler.
#[derive(Debug, Default)]
pub struct SymbolTable {
    /// Ascending, not overlapping.
    functions: Vec<Function>,
    /// By object.
    debug: Vec<Debug>,
}

impl SymbolTable {
    /// Sorts the list; of overlapping functions (folded ones) the first by name stays.
    pub(crate) fn new(mut functions: Vec<Function>) -> Self {
        functions.sort();
        functions.dedup_by(|b, a| b.start < a.end);
        SymbolTable {
            functions,
            debug: Vec::new(),
        }
    }

    /// With what tells source lines, by object.
    pub(crate) fn with_debug(mut self, debug: Vec<Debug>) -> Self {
        self.debug = debug;
        self
    }

    fn function(&self, address: usize) -> Option<&Function> {
        let next = self.functions.partition_point(|f| f.start <= address);
        let function = self.functions.get(next.checked_sub(1)?)?;
        (address < function.end).then_some(function)
    }

    /// The function that contains the address.
    pub fn find(&self, address: usize) -> Option<Located<'_>> {
        let function = self.function(address)?;
        Some(Located {
            function: &function.name,
            offset: address - function.start,
        })
    }

    /// Calls `visit` with the functions and source lines of the code at `address`, what was inlined first; not at all if
    /// they are not known. Allocates.
    pub fn source_frames(&self, address: usize, visit: &mut dyn FnMut(&[SourceFrame<'_>])) {
        let function = self.function(address);
        if let Some(debug) = function.and_then(|f| self.debug.get(f.object)) {
            debug.frames(address, visit);
        }
    }

    /// All functions: (start, end, name), ascending.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.functions
            .iter()
            .map(|f| (f.start, f.end, f.name.as_str()))
    }

    /// Number of functions.
    pub fn len(&self) -> usize {
        self.functions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.functions.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_by_range() {
        let function = |start, end, name: &str| Function {
            start,
            end,
            name: name.into(),
            object: 0,
        };
        let t = SymbolTable::new(vec![
            function(20, 30, "b"),
            function(10, 20, "a"),
            function(10, 20, "aa"),
            function(40, 41, "c"),
        ]);
        assert_eq!(t.len(), 3);
        assert_eq!(t.find(9), None);
        assert_eq!(
            t.find(10),
            Some(Located {
                function: "a",
                offset: 0
            })
        );
        assert_eq!(
            t.find(29),
            Some(Located {
                function: "b",
                offset: 9
            })
        );
        assert_eq!(t.find(30), None);
        assert_eq!(
            t.find(40),
            Some(Located {
                function: "c",
                offset: 0
            })
        );
        assert_eq!(t.find(usize::MAX), None);
    }
}
