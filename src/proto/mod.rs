//! The wire between a client and a host: a stream of frames over any byte stream (an SSH channel to the
//! host's Unix socket). This header is its specification; man/remote-protocol.7 says the same at length.
//!
//! # Frames
//! `kind: u8, length: u32 big-endian, body: length bytes`. `length` is at most [`MAX_BODY`]; a larger one
//! ends the connection before anything is allocated. Frames of unknown kinds are skipped. Bodies are JSON
//! objects (unknown fields ignored, absent ones defaulted) except for the hot kinds marked *bin*, whose
//! integers are big-endian and whose unknown trailing bytes belong to their last field.
//!
//! | kind | to | name | body |
//! |---|---|---|---|
//! | 1 | both | hello | [`Hello`]; each side's first frame |
//! | 2 | host | request | [`Request`] |
//! | 3 | client | reply | [`Reply`]; the last frame of a request |
//! | 4 | client | event | [`Event`] |
//! | 5 | client | data | *bin* request id u32, bytes; before its reply |
//! | 6 | host | attach | [`Attach`]; once on a stream, which is then the attachment's |
//! | 7 | client | attached | [`Attached`] |
//! | 8 | host | input | *bin* number u64, bytes |
//! | 9 | client | input-ack | *bin* number u64: this and all before it are applied |
//! | 10 | client | output | *bin* from u64, to u64, form u8, bytes |
//! | 11 | host | credit | *bin* consumed u64, window u32 |
//! | 12 | host | resize | [`Size`](crate::model::Size) |
//! | 13 | both | ping | *bin* nonce u64 |
//! | 14 | both | pong | *bin* nonce u64 |
//! | 15 | client | view | [`View`]; the form of output changed |
//! | 16 | client | ended | [`AgentEnded`]; the agent's process is over, all output before it was sent |
//! | 17 | client | notice | [`Notice`]; for the person who is attached |
//! | 18 | host | detach | `{}`; a wish to leave: forget the attachment |
//! | 19 | host | terminal | [`Terminal`](crate::model::Terminal); what the outer terminal said of itself, when known |
//! | 20 | host | repaint | `{}`; the client's screen is not to be trusted: send it all again |
//! | 21 | client | echo-ack | *bin* number u64: what the program answered to this and all before it, within 50 ms of being given it, is in the output before this frame |
//!
//! # Versions
//! `hello` carries `protocol: {major, minor}`. Another major refuses, naming the remedy. A side uses what
//! both minors know, and speaks to the previous minor too. 1.0 has the kinds 1 to 18; 1.1 adds `terminal` and
//! `repaint` (19, 20), which a 1.0 host skips; 1.2 the requests `question` and `answer`; 1.3, which is in the
//! making, `setup`, `tell`, `events`, `lend_ssh_agent`, `secrets`, `missing_secrets`, `git_credential`, `grep`, `keep_layout`, `layout`, an answer that is
//! watched and `untaken`, `echo-ack` (21) where `attach` has `echoes`, the `check` of `logs` and of an agent, an agent's `work`, a status with `news`, a terminal that
//! `asks_for_clipboard`: it is passed OSC 52's question, which is otherwise refused, a status with its machine's `load`. Golden bytes
//! of all are in golden/.
//!
//! # Attachments
//! A random 128-bit identity. A second stream with the same identity supersedes the first at once. Input
//! frames are numbered from 1 in each attachment; the host applies each number once and remembers the last
//! for 24 h; `attached.input` tells the last one applied. Output frames cover agent bytes `[from, to)`
//! whatever they carry: `form` 0 the agent's own bytes (queries cut out), 1 a repaint of the whole screen,
//! 2 a difference between drawn screens, 3 lines above the screen (scrollback, before a first repaint).
//! A client that comes back asks for `resume.offset`, the `to` of the last frame it has written out.
//!
//! # Credit
//! The host has at most `window` payload bytes of output in flight: sent, not yet `consumed` (cumulative
//! over the stream). A client that falls behind is skipped ahead with a repaint. Input has no window: it is
//! small, and the host's PTY queue bounds it.

mod attach;
mod bridge;
mod codec;
mod conn;
mod frame;
#[cfg(test)]
mod golden;
mod message;

pub use attach::{AgentEnded, Attach, Attached, AttachmentId, Form, Notice, Resume, Resumed, View};
pub use bridge::{BRIDGE_MAX, Mux, decode_bridge, encode_bridge, encode_end, serve_bridge};
pub use codec::{Message, ToClient, ToHost};
pub use conn::{Conn, Receiver, Sender, halves, hello};
pub use frame::{FrameError, HEADER, MAX_BODY, RawFrame, decode_header, encode};
pub use message::{
    ErrorCode, Event, Hello, Key, Op, Outcome, PROTOCOL, Question, Reply, Request, Version,
    WireError,
};
