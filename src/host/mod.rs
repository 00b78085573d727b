//! (being built)

mod attachment;
mod ends;
mod flow;
mod ring;
mod state;
