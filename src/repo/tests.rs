//! The torture set: repositories as people have them. Each goes in, is looked at there, and comes back; and nobody
//! can tell that it was ever touched.
#![allow(clippy::unwrap_used)]

mod cases;
mod clones;
mod fixture;
mod moved;
mod refusals;
mod rounds;
