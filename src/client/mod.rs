//! What the verbs mean, without a terminal.

pub mod link;
