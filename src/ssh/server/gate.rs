//! The gate through which programs are started: one at a time, so that none inherits what another start has
//! open for an instant; and none at all while the process is about to be replaced by another binary.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module.
#[derive(Debug, Default)]
pub struct Gate(Mutex<bool>);

impl Gate {
    fn closed(&self) -> MutexGuard<'_, bool> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts something, unless the gate is closed.
    ///
    /// # Errors
    /// `ResourceBusy` where it is closed, else what `start` gives.
    pub fn pass<T>(&self, start: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let closed = self.closed();
        if *closed {
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                "the session's host is being upgraded",
            ));
        }
        start()
    }

    /// Closes it, or opens it again. What is being started at this moment has been when this returns.
    pub fn close(&self, closed: bool) {
        *self.closed() = closed;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_starts_while_it_is_closed() {
        let gate = Gate::default();
        assert_eq!(gate.pass(|| Ok(1)).expect("open"), 1);
        gate.close(true);
        let refused = gate.pass(|| Ok(1)).expect_err("closed");
        assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
        gate.close(false);
        assert!(gate.pass(|| Ok(1)).is_ok());
    }
}
