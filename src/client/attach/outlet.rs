//! The queue in front of the terminal: what the agent wrote, which counts for the credit, and our own
//! bytes between.

use std::collections::VecDeque;

use bytes::Bytes;

/// Whose bytes these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The agent's: counted, and shown to the mirror.
    Agent,
    /// The agent's, and a repaint of everything begins with them.
    Repaint,
    /// A repaint that the terminal need not get: for the mirror alone, but counted.
    Silent,
    /// Ours.
    Own,
}

/// Bytes that wait for the terminal.
#[derive(Debug, Default)]
pub(super) struct Outlet {
    queue: VecDeque<(Kind, Bytes)>,
}

impl Outlet {
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) fn push(&mut self, kind: Kind, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queue.push_back((kind, bytes));
        }
    }

    /// Our own bytes, before all that waits. Only between the agent's sequences.
    pub(super) fn push_front(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queue.push_front((Kind::Own, bytes));
        }
    }

    /// A repaint of ours: before what waits of the agent's, but behind what of ours would be drawn over it.
    pub(super) fn push_over(&mut self, bytes: Bytes) {
        let ours = |(kind, _): &&(Kind, Bytes)| *kind == Kind::Own;
        let at = self.queue.iter().take_while(ours).count();
        self.queue.insert(at, (Kind::Own, bytes));
    }

    /// What is to be written next.
    pub(super) fn front(&self) -> Option<&(Kind, Bytes)> {
        self.queue.front()
    }

    /// `n` bytes of the front are done; they are returned, with the kind they had.
    pub(super) fn take(&mut self, n: usize) -> Option<(Kind, Bytes)> {
        let (kind, bytes) = self.queue.front_mut()?;
        let done = (*kind, bytes.split_to(n.min(bytes.len())));
        if *kind == Kind::Repaint {
            *kind = Kind::Agent;
        }
        if bytes.is_empty() {
            self.queue.pop_front();
        }
        Some(done)
    }

    /// Forgets what the agent wrote; a repaint follows.
    pub(super) fn discard(&mut self) {
        self.queue.retain(|(kind, _)| *kind == Kind::Own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repaint_wipes_out_what_of_ours_waits() {
        let mut outlet = Outlet::default();
        outlet.push(Kind::Own, "guess".into());
        outlet.push(Kind::Own, "told".into());
        outlet.push(Kind::Agent, "agent".into());
        outlet.push(Kind::Own, "later".into());
        outlet.push_over("repaint".into());
        let mut order = Vec::new();
        while let Some((_, bytes)) = outlet.take(99) {
            order.push(bytes);
        }
        assert_eq!(order, ["guess", "told", "repaint", "agent", "later"]);
    }
}
