//! Work for the compiler's thread that is no compile: it has the program's IR, and time.

use crate::tier::parts::{Builder, Shared};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};

/// One piece of work.
pub(crate) type Work = Box<dyn for<'b> FnOnce(&Shared, &mut Builder<'b>) + Send>;

/// Where work is handed in. The compiler takes it before its next compile.
pub(crate) struct Desk {
    sender: Mutex<Option<Sender<Work>>>,
    receiver: Mutex<Receiver<Work>>,
    waiting: AtomicUsize,
}

impl Default for Desk {
    fn default() -> Self {
        let (sender, receiver) = channel();
        Desk {
            sender: Mutex::new(Some(sender)),
            receiver: Mutex::new(receiver),
            waiting: AtomicUsize::new(0),
        }
    }
}

impl Desk {
    /// Hands work in; false once the desk is closed.
    pub fn put(&self, work: Work) -> bool {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = sender.as_ref() else {
            return false;
        };
        // Before it is sent: whoever takes it counts it off.
        self.waiting.fetch_add(1, Ordering::Release);
        sender.send(work).is_ok()
    }

    /// Whether work waits.
    pub fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }

    /// Does what is there.
    pub fn serve(&self, shared: &Shared, builder: &mut Builder<'_>) {
        loop {
            let next = self
                .receiver
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .try_recv();
            match next {
                Ok(work) => {
                    self.waiting.fetch_sub(1, Ordering::Release);
                    work(shared, builder);
                }
                Err(_) => return,
            }
        }
    }

    /// Nothing is taken any more; what waits is dropped, and with it what its owners wait for.
    pub fn close(&self) {
        *self.sender.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let receiver = self.receiver.lock().unwrap_or_else(PoisonError::into_inner);
        while receiver.try_recv().is_ok() {}
    }
}
