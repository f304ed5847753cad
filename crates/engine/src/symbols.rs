//! Names of code addresses, for messages about faults.

/// Where an address lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Located<'a> {
    /// Symbol of the function, as the compiler mangled it.
    pub function: &'a str,
    /// Bytes from its start.
    pub offset: usize,
}

/// Functions by address. Lookup does not allocate: it may be called from a signal handler.
#[derive(Debug, Default)]
pub struct SymbolTable {
    /// (start, end, name), ascending, not overlapping.
    functions: Vec<(usize, usize, String)>,
}

impl SymbolTable {
    /// Sorts the list; of overlapping functions (folded ones) the first by name stays.
    pub(crate) fn new(mut functions: Vec<(usize, usize, String)>) -> Self {
        functions.sort();
        functions.dedup_by(|b, a| b.0 < a.1);
        SymbolTable { functions }
    }

    /// The function that contains the address.
    pub fn find(&self, address: usize) -> Option<Located<'_>> {
        let next = self.functions.partition_point(|f| f.0 <= address);
        let (start, end, name) = self.functions.get(next.checked_sub(1)?)?;
        (address < *end).then_some(Located {
            function: name,
            offset: address - start,
        })
    }

    /// All functions: (start, end, name), ascending.
    pub fn iter(&self) -> impl Iterator<Item = (usize, usize, &str)> {
        self.functions.iter().map(|(s, e, n)| (*s, *e, n.as_str()))
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
        let t = SymbolTable::new(vec![
            (20, 30, "b".into()),
            (10, 20, "a".into()),
            (10, 20, "aa".into()),
            (40, 41, "c".into()),
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
