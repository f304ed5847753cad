//! Locks for signal handlers of threads that faulted: waited for, but not for ever.
//!
//! Another thread that holds the lock gives it back soon. If the thread holds it that faulted, nobody does.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::{Duration, Instant};

/// Longer than the engine holds any lock that is asked for this way, also where another thread has the processor.
const LONGEST: Duration = Duration::from_millis(50);

/// The lock, or `None` if it was not to be had within a while. Allocates nothing.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let mut start = None;
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {}
        }
        if start.get_or_insert_with(Instant::now).elapsed() > LONGEST {
            return None;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn a_lock_is_waited_for_but_not_for_ever() {
        let mutex = &Mutex::new(7);
        let (taken, is_taken) = channel();
        let (done, is_done) = channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let guard = mutex.lock().unwrap();
                taken.send(()).unwrap();
                is_done.recv().unwrap();
                drop(guard);
            });
            is_taken.recv().unwrap();
            assert!(lock(mutex).is_none());
            done.send(()).unwrap();
            while lock(mutex).is_none() {}
        });
        assert_eq!(lock(mutex).map(|guard| *guard), Some(7));
    }
}
