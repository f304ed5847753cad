//! Pipes: bytes from one thread to another.

use super::errno::Errno;
use crate::memory::user;
use crate::sched::{self, Key, Wake};
use crate::sync::Mutex;
use alloc::collections::VecDeque;
use alloc::sync::Arc;

/// Most bytes in a pipe, as on Linux.
const CAPACITY: usize = 64 << 10;

#[derive(Default)]
struct State {
    bytes: VecDeque<u8>,
    readers: usize,
    writers: usize,
}

/// One end of a pipe.
pub struct End {
    state: Arc<Mutex<State>>,
    writes: bool,
}

/// A new pipe: the end to read from and the end to write to.
pub fn new() -> (End, End) {
    let state = Arc::new(Mutex::new(State {
        readers: 1,
        writers: 1,
        ..State::default()
    }));
    (
        End {
            state: state.clone(),
            writes: false,
        },
        End {
            state,
            writes: true,
        },
    )
}

fn wake_all() {
    sched::lock().wake(Key::Pipe, u32::MAX, usize::MAX);
}

fn wait() -> Result<(), Errno> {
    // Checked again at least every 10 ms: the state's lock is not the scheduler's.
    let deadline = crate::time::deadline(crate::time::now_ns() + 10_000_000);
    match sched::block(sched::lock(), Key::Pipe, u32::MAX, deadline) {
        Wake::Signal => Err(Errno::INTR),
        Wake::Woken | Wake::Timeout => Ok(()),
    }
}

impl End {
    /// Reads what is there; waits for the first byte. 0: nobody writes any more.
    pub fn read(&self, at: usize, count: usize, may_wait: bool) -> Result<usize, Errno> {
        if self.writes {
            return Err(Errno::BADF);
        }
        loop {
            let out = user::bytes_mut(at, count)?;
            let mut state = self.state.lock();
            if !state.bytes.is_empty() || count == 0 {
                let taken = count.min(state.bytes.len());
                for (out, byte) in out.iter_mut().zip(state.bytes.drain(..taken)) {
                    *out = byte;
                }
                drop(state);
                wake_all();
                return Ok(taken);
            }
            if state.writers == 0 {
                return Ok(0);
            }
            drop(state);
            if !may_wait {
                return Err(Errno::AGAIN);
            }
            wait()?;
        }
    }

    /// Writes all of it, waiting for room.
    pub fn write(&self, at: usize, count: usize, may_wait: bool) -> Result<usize, Errno> {
        if !self.writes {
            return Err(Errno::BADF);
        }
        let mut done = 0;
        loop {
            let bytes = user::bytes(at + done, count - done)?;
            let mut state = self.state.lock();
            if state.readers == 0 {
                return Err(Errno::PIPE);
            }
            let room = CAPACITY - state.bytes.len();
            let part = bytes.len().min(room);
            state.bytes.try_reserve(part).map_err(|_| Errno::NOMEM)?;
            state.bytes.extend(&bytes[..part]);
            drop(state);
            wake_all();
            done += part;
            if done == count || (!may_wait && done > 0) {
                return Ok(done);
            }
            if !may_wait {
                return Err(Errno::AGAIN);
            }
            wait()?;
        }
    }

    /// True if a read, or for the other end a write, would not wait.
    pub fn is_ready(&self) -> bool {
        let state = self.state.lock();
        if self.writes {
            state.bytes.len() < CAPACITY || state.readers == 0
        } else {
            !state.bytes.is_empty() || state.writers == 0
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        if self.writes {
            state.writers -= 1;
        } else {
            state.readers -= 1;
        }
        drop(state);
        wake_all();
    }
}
