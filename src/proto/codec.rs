//! Which frames go which way: one enum per direction, and their bytes.

use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::attach::{AgentEnded, Attach, Attached, Form, Notice, View};
use super::frame::{FrameError, RawFrame, encode};
use super::message::{Event, Hello, Reply, Request};
use crate::model::{Size, Terminal};

/// Client to host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToHost {
    Hello(Hello),
    Request(Request),
    Attach(Attach),
    Input { number: u64, bytes: Bytes },
    Credit { consumed: u64, window: u32 },
    Resize(Size),
    Ping(u64),
    Pong(u64),
    Detach,
    Terminal(Terminal),
    Repaint,
}

/// Host to client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToClient {
    Hello(Hello),
    Reply(Reply),
    Event(Event),
    Data {
        request: u32,
        bytes: Bytes,
    },
    Attached(Box<Attached>),
    InputAck(u64),
    EchoAck(u64),
    Output {
        from: u64,
        to: u64,
        form: Form,
        bytes: Bytes,
    },
    Ping(u64),
    Pong(u64),
    View(View),
    Ended(AgentEnded),
    Notice(Notice),
}

mod kind {
    pub const HELLO: u8 = 1;
    pub const REQUEST: u8 = 2;
    pub const REPLY: u8 = 3;
    pub const EVENT: u8 = 4;
    pub const DATA: u8 = 5;
    pub const ATTACH: u8 = 6;
    pub const ATTACHED: u8 = 7;
    pub const INPUT: u8 = 8;
    pub const INPUT_ACK: u8 = 9;
    pub const OUTPUT: u8 = 10;
    pub const CREDIT: u8 = 11;
    pub const RESIZE: u8 = 12;
    pub const PING: u8 = 13;
    pub const PONG: u8 = 14;
    pub const VIEW: u8 = 15;
    pub const ENDED: u8 = 16;
    pub const NOTICE: u8 = 17;
    pub const DETACH: u8 = 18;
    pub const TERMINAL: u8 = 19;
    pub const REPAINT: u8 = 20;
    pub const ECHO_ACK: u8 = 21;
}

/// A direction's messages, to and from frames.
pub trait Message: Sized {
    /// Appends the frame.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] where the body is over the bound; nothing is appended then.
    fn encode(&self, out: &mut BytesMut) -> Result<(), FrameError>;

    /// Reads a frame; `None` for a kind this side does not know, which is to be skipped.
    ///
    /// # Errors
    /// [`FrameError::Malformed`] for a known kind whose body cannot be read.
    fn decode(frame: RawFrame) -> Result<Option<Self>, FrameError>;
}

fn json(out: &mut BytesMut, kind: u8, body: &impl Serialize) -> Result<(), FrameError> {
    let body = serde_json::to_vec(body).map_err(|e| FrameError::Malformed {
        kind,
        name: "body",
        why: e.to_string(),
    })?;
    encode(out, kind, &[&body])
}

fn parse<T: DeserializeOwned>(frame: &RawFrame, name: &'static str) -> Result<T, FrameError> {
    serde_json::from_slice(&frame.body).map_err(|e| FrameError::Malformed {
        kind: frame.kind,
        name,
        why: e.to_string(),
    })
}

/// Fails unless at least `n` bytes are left.
fn need(frame: &RawFrame, name: &'static str, n: usize) -> Result<Bytes, FrameError> {
    if frame.body.len() < n {
        return Err(FrameError::Malformed {
            kind: frame.kind,
            name,
            why: format!("{} bytes where at least {n} belong", frame.body.len()),
        });
    }
    Ok(frame.body.clone())
}

fn number(frame: &RawFrame, name: &'static str) -> Result<u64, FrameError> {
    need(frame, name, 8).map(|mut b| b.get_u64())
}

impl Message for ToHost {
    fn encode(&self, out: &mut BytesMut) -> Result<(), FrameError> {
        match self {
            Self::Hello(m) => json(out, kind::HELLO, m),
            Self::Request(m) => json(out, kind::REQUEST, m),
            Self::Attach(m) => json(out, kind::ATTACH, m),
            Self::Input { number, bytes } => {
                encode(out, kind::INPUT, &[&number.to_be_bytes(), bytes])
            }
            Self::Credit { consumed, window } => encode(
                out,
                kind::CREDIT,
                &[&consumed.to_be_bytes(), &window.to_be_bytes()],
            ),
            Self::Resize(m) => json(out, kind::RESIZE, m),
            Self::Ping(n) => encode(out, kind::PING, &[&n.to_be_bytes()]),
            Self::Pong(n) => encode(out, kind::PONG, &[&n.to_be_bytes()]),
            Self::Detach => encode(out, kind::DETACH, &[b"{}"]),
            Self::Terminal(m) => json(out, kind::TERMINAL, m),
            Self::Repaint => encode(out, kind::REPAINT, &[b"{}"]),
        }
    }

    fn decode(frame: RawFrame) -> Result<Option<Self>, FrameError> {
        Ok(Some(match frame.kind {
            kind::HELLO => Self::Hello(parse(&frame, "hello")?),
            kind::REQUEST => Self::Request(parse(&frame, "request")?),
            kind::ATTACH => Self::Attach(parse(&frame, "attach")?),
            kind::INPUT => {
                let mut body = need(&frame, "input", 8)?;
                Self::Input {
                    number: body.get_u64(),
                    bytes: body,
                }
            }
            kind::CREDIT => {
                let mut body = need(&frame, "credit", 12)?;
                Self::Credit {
                    consumed: body.get_u64(),
                    window: body.get_u32(),
                }
            }
            kind::RESIZE => Self::Resize(parse(&frame, "resize")?),
            kind::PING => Self::Ping(number(&frame, "ping")?),
            kind::PONG => Self::Pong(number(&frame, "pong")?),
            kind::DETACH => Self::Detach,
            kind::TERMINAL => Self::Terminal(parse(&frame, "terminal")?),
            kind::REPAINT => Self::Repaint,
            _ => return Ok(None),
        }))
    }
}

impl Message for ToClient {
    fn encode(&self, out: &mut BytesMut) -> Result<(), FrameError> {
        match self {
            Self::Hello(m) => json(out, kind::HELLO, m),
            Self::Reply(m) => json(out, kind::REPLY, m),
            Self::Event(m) => json(out, kind::EVENT, m),
            Self::Data { request, bytes } => {
                encode(out, kind::DATA, &[&request.to_be_bytes(), bytes])
            }
            Self::Attached(m) => json(out, kind::ATTACHED, m),
            Self::InputAck(n) => encode(out, kind::INPUT_ACK, &[&n.to_be_bytes()]),
            Self::EchoAck(n) => encode(out, kind::ECHO_ACK, &[&n.to_be_bytes()]),
            Self::Output {
                from,
                to,
                form,
                bytes,
            } => encode(
                out,
                kind::OUTPUT,
                &[
                    &from.to_be_bytes(),
                    &to.to_be_bytes(),
                    &[*form as u8],
                    bytes,
                ],
            ),
            Self::Ping(n) => encode(out, kind::PING, &[&n.to_be_bytes()]),
            Self::Pong(n) => encode(out, kind::PONG, &[&n.to_be_bytes()]),
            Self::View(m) => json(out, kind::VIEW, m),
            Self::Ended(m) => json(out, kind::ENDED, m),
            Self::Notice(m) => json(out, kind::NOTICE, m),
        }
    }

    fn decode(frame: RawFrame) -> Result<Option<Self>, FrameError> {
        Ok(Some(match frame.kind {
            kind::HELLO => Self::Hello(parse(&frame, "hello")?),
            kind::REPLY => Self::Reply(parse(&frame, "reply")?),
            kind::EVENT => Self::Event(parse(&frame, "event")?),
            kind::DATA => {
                let mut body = need(&frame, "data", 4)?;
                Self::Data {
                    request: body.get_u32(),
                    bytes: body,
                }
            }
            kind::ATTACHED => Self::Attached(parse(&frame, "attached")?),
            kind::INPUT_ACK => Self::InputAck(number(&frame, "input-ack")?),
            kind::ECHO_ACK => Self::EchoAck(number(&frame, "echo-ack")?),
            kind::OUTPUT => {
                let mut body = need(&frame, "output", 17)?;
                let (from, to, form) = (body.get_u64(), body.get_u64(), body.get_u8());
                let Some(form) = Form::from_u8(form).filter(|_| from <= to) else {
                    return Err(FrameError::Malformed {
                        kind: kind::OUTPUT,
                        name: "output",
                        why: format!("form {form}, bytes {from} to {to}"),
                    });
                };
                Self::Output {
                    from,
                    to,
                    form,
                    bytes: body,
                }
            }
            kind::PING => Self::Ping(number(&frame, "ping")?),
            kind::PONG => Self::Pong(number(&frame, "pong")?),
            kind::VIEW => Self::View(parse(&frame, "view")?),
            kind::ENDED => Self::Ended(parse(&frame, "ended")?),
            kind::NOTICE => Self::Notice(parse(&frame, "notice")?),
            _ => return Ok(None),
        }))
    }
}
