//! Telling people what happens while they look elsewhere: which states are news, which rule is due when, the words,
//! and a webhook's request. Decided by the time that is passed in; hosts and clients do it.

mod desk;
mod due;
mod post;
#[cfg(test)]
mod tests;
mod words;

pub use desk::Desk;
pub use due::{Due, Wanted};
pub use post::{PostError, post};
pub use words::{body, environment, payload, text, title};
