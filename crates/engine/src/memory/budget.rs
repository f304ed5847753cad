//! A limit of memory that several programs share: what each takes is counted.
//!
//! Counted is what is asked for, whether pages were touched or not, so that what a limit allows does not depend on the order of
//! events. Nobody waits for memory: what does not fit is refused.

use super::MemoryError;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The limit, and what is in use of it.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    used: AtomicUsize,
    most: AtomicUsize,
}

/// Two are equal if they are the same one.
impl PartialEq for Budget {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Budget {}

/// Bytes taken; dropping it gives them back.
#[derive(Debug)]
pub struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Budget {
    /// So many bytes, none of them in use.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Budget {
            limit,
            used: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        })
    }

    /// Bytes that may be in use at a time.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// The most that was in use at a time.
    pub fn most(&self) -> usize {
        self.most.load(Relaxed)
    }

    /// Takes bytes.
    ///
    /// # Errors
    /// [`MemoryError::Full`]: they do not fit, and nothing was taken.
    pub fn take(self: &Arc<Self>, bytes: usize) -> Result<Charge, MemoryError> {
        let more = |used: usize| used.checked_add(bytes).filter(|total| *total <= self.limit);
        match self.used.fetch_update(Relaxed, Relaxed, more) {
            Ok(before) => {
                self.most.fetch_max(before + bytes, Relaxed);
                Ok(Charge {
                    budget: self.clone(),
                    bytes,
                })
            }
            Err(used) => Err(MemoryError::Full {
                needed: bytes,
                used,
                limit: self.limit,
            }),
        }
    }
}

impl Charge {
    /// How many bytes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Never gives them back.
    pub(super) fn keep(mut self) {
        self.bytes = 0;
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_refused_and_what_is_dropped_comes_back() {
        let budget = Budget::new(100);
        let first = budget.take(60).unwrap();
        let full = |needed, used| MemoryError::Full {
            needed,
            used,
            limit: 100,
        };
        assert_eq!(budget.take(41).unwrap_err(), full(41, 60));
        assert_eq!(budget.take(usize::MAX).unwrap_err(), full(usize::MAX, 60));
        let second = budget.take(40).unwrap();
        assert_eq!((budget.used(), first.bytes()), (100, 60));
        drop((first, second));
        assert_eq!((budget.used(), budget.most()), (0, 100));
        budget.take(7).unwrap().keep();
        assert_eq!(budget.used(), 7);
    }
}
