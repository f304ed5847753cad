//! From a token's text to its id.

use core::hash::BuildHasher;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use llama_model::StringTable;

/// An index over a [`StringTable`] that holds ids only: no text is stored twice.
#[derive(Debug, Clone)]
pub struct Lookup {
    ids: HashTable<u32>,
}

fn hash(text: &str) -> u64 {
    FixedState::default().hash_one(text)
}

impl Lookup {
    /// Indexes all of `tokens`; of equal texts the first id counts.
    #[inline(never)] // its loop is hot, and compiled without the rest of `Tokenizer::new`
    pub fn new(tokens: &StringTable) -> Self {
        let mut ids = HashTable::with_capacity(tokens.len());
        for (id, text) in tokens.iter().enumerate() {
            let entry = ids.entry(
                hash(text),
                |&other| tokens.get(other as usize) == text,
                |&other: &u32| hash(tokens.get(other as usize)),
            );
            entry.or_insert(id as u32);
        }
        Lookup { ids }
    }

    /// The id of `text`. `tokens` is the table this index was made of.
    pub fn find(&self, tokens: &StringTable, text: &str) -> Option<u32> {
        self.ids
            .find(hash(text), |&id| tokens.get(id as usize) == text)
            .copied()
    }
}
