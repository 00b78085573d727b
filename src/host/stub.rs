//! Stand-ins until the real ones are merged.
use crate::model::{Size, Terminal};
use crate::mux::Screen;
use bytes::Bytes;

pub struct Query;
pub enum Piece {
    Pass(Bytes),
    Query(Query, usize),
}
#[derive(Default)]
pub struct Scanner;
impl Scanner {
    pub fn new() -> Self {
        Self
    }
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<Piece>) {
        out.push(Piece::Pass(Bytes::copy_from_slice(bytes)));
    }
    pub fn held(&self) -> usize {
        0
    }
}
pub fn answer(_: &Query, _: &Screen, _: &Terminal) -> Vec<u8> {
    Vec::new()
}
pub struct Drawn(Size);
impl Drawn {
    pub fn new(size: Size) -> Self {
        Self(size)
    }
    pub fn frame(&mut self, screen: &Screen) -> Vec<u8> {
        let _ = self.0;
        screen.text().join("\r\n").into_bytes()
    }
}
pub mod keys {
    pub fn encode(key: &str, _: bool) -> Option<Vec<u8>> {
        match key {
            "Enter" => Some(vec![13]),
            "C-c" => Some(vec![3]),
            _ => None,
        }
    }
    pub fn paste(text: &str, _: bool) -> Vec<u8> {
        text.as_bytes().to_vec()
    }
}
