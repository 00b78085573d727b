//! A control stream as a search's: what its host finds, as it is found.

use bytes::BytesMut;

use super::{Control, refusal};
use crate::error::{Error, Result};
use crate::model::{Found, Search, Searched};
use crate::proto::{ErrorCode, Op, Outcome, ToClient};

/// A line found has at most so many bytes; more than any has.
const MOST: usize = 512 << 10;

/// What comes of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    Found(Found),
    Over(Searched),
    /// The host is too old for it.
    Unknown,
}

/// See the module.
pub struct Founds {
    control: Control,
    request: u32,
    buf: BytesMut,
}

impl Control {
    /// Has the host look through an agent's history.
    ///
    /// # Errors
    /// As for [`Control::ask`].
    pub async fn grep(mut self, agent: u32, search: Search) -> Result<Founds> {
        let request = self.request(Op::Grep { agent, search }).await?;
        Ok(Founds {
            control: self,
            request,
            buf: BytesMut::new(),
        })
    }
}

impl Founds {
    /// The next line, or the end.
    ///
    /// # Errors
    /// The host's refusal, what is no answer, or a lost connection.
    pub async fn next(&mut self) -> Result<Next> {
        loop {
            if let Some(found) = self.line()? {
                return Ok(Next::Found(found));
            }
            match self.control.receive().await? {
                ToClient::Data { request, bytes } if request == self.request => {
                    if self.buf.len() > MOST {
                        return Err(self.control.newer());
                    }
                    self.buf.extend_from_slice(&bytes);
                }
                ToClient::Reply(reply) if reply.id == self.request => {
                    return match reply.outcome {
                        Outcome::Searched { searched } => Ok(Next::Over(searched)),
                        Outcome::Failed { error } if error.code == ErrorCode::Unsupported => {
                            Ok(Next::Unknown)
                        }
                        Outcome::Failed { error } => Err(refusal(error)),
                        _ => Err(self.control.newer()),
                    };
                }
                _ => {}
            }
        }
    }

    fn line(&mut self) -> Result<Option<Found>> {
        let Some(end) = memchr::memchr(b'\n', &self.buf) else {
            return Ok(None);
        };
        let line = self.buf.split_to(end + 1);
        let found = serde_json::from_slice(&line);
        found
            .map(Some)
            .map_err(|e| Error::connection("the host found what cannot be read").because(e))
    }
}
