//! The rooms that read what others write, as the whole crate compiles them: the wire and the screen.
#![allow(dead_code, unused_imports)]

#[path = "../../../src/error.rs"]
pub mod error;
#[path = "../../../src/model/mod.rs"]
pub mod model;
#[path = "../../../src/mux/mod.rs"]
pub mod mux;
#[path = "../../../src/proto/mod.rs"]
pub mod proto;
