//! A control stream as a lender's of an SSH agent: what the session's programs ask of it, and the answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Control, refusal};
use crate::error::Result;
use crate::proto::{Event, Op, Outcome, ToClient};

/// What comes of the session's programs.
#[derive(Debug, PartialEq, Eq)]
pub enum Asked {
    Message {
        conn: u64,
        agent: u32,
        message: Vec<u8>,
    },
    Closed {
        conn: u64,
    },
}

/// See the module.
pub struct Lent(Control);

impl Control {
    /// Lends an SSH agent to the session.
    ///
    /// # Errors
    /// As for [`Control::ask`].
    pub async fn lend(mut self) -> Result<Lent> {
        self.ask(Op::LendSshAgent).await?;
        Ok(Lent(self))
    }
}

impl Lent {
    /// The next message. Cancel-safe.
    ///
    /// # Errors
    /// The connection is lost, or the session over.
    pub async fn next(&mut self) -> Result<Asked> {
        loop {
            match self.0.receive().await? {
                ToClient::Event(Event::SshAgent {
                    conn,
                    agent,
                    message,
                }) => {
                    // What cannot be read is refused like all else that is not known.
                    let message = STANDARD.decode(message).unwrap_or_default();
                    return Ok(Asked::Message {
                        conn,
                        agent,
                        message,
                    });
                }
                ToClient::Event(Event::SshAgentClosed { conn }) => {
                    return Ok(Asked::Closed { conn });
                }
                ToClient::Reply(reply) => {
                    if let Outcome::Failed { error } = reply.outcome {
                        return Err(refusal(error));
                    }
                }
                _ => {}
            }
        }
    }

    /// Answers a connection's last message.
    ///
    /// # Errors
    /// The connection is lost.
    pub async fn answer(&mut self, conn: u64, message: &[u8]) -> Result<()> {
        let message = STANDARD.encode(message);
        let op = Op::SshAgentReply { conn, message };
        self.0.request(op).await.map(|_| ())
    }
}
