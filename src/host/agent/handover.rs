//! What an agent hands to the next binary of its host: its open terminal by number, and all that is known.
//! The screen travels as a repaint, so the next binary's emulator may be another one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Agent;
use super::process::Process;
use crate::host::attachment::Attachment;
use crate::host::state::Belief;
use crate::model::{Millis, Size, now_ms};
use crate::mux::Pty;
use crate::proto::AttachmentId;

/// Bytes as base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Blob(pub Vec<u8>);

impl TryFrom<String> for Blob {
    type Error = base64::DecodeError;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        STANDARD.decode(s).map(Self)
    }
}

impl From<Blob> for String {
    fn from(b: Blob) -> Self {
        STANDARD.encode(b.0)
    }
}

/// An attachment that may come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedAttachment {
    pub id: AttachmentId,
    pub input: u64,
    #[serde(default)]
    pub typed: u64,
    #[serde(default)]
    pub left: Option<Millis>,
}

/// One agent, between two binaries. Fields are only ever added, with a default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    pub number: u32,
    /// Its terminal's descriptor and its first process; none when it is over.
    #[serde(default)]
    pub fd: Option<i32>,
    #[serde(default)]
    pub pid: Option<u32>,
    /// It has ended with that, but what its children write may still belong to it.
    #[serde(default)]
    pub exit: Option<i32>,
    pub size: Size,
    /// A repaint.
    pub screen: Blob,
    /// Output that is not told of yet: the beginning of a sequence.
    #[serde(default)]
    pub held: Blob,
    /// Told of, but not stored: it may be the beginning of a secret.
    #[serde(default)]
    pub behind: Blob,
    /// Typed and not yet taken by the program.
    #[serde(default)]
    pub typed: Blob,
    pub belief: Belief,
    #[serde(default)]
    pub attachments: Vec<HandedAttachment>,
    pub started: Millis,
    #[serde(default)]
    pub ended: Option<Millis>,
    #[serde(default)]
    pub full_screen: bool,
}

impl Agent {
    pub(super) fn hand_over(&mut self) -> Handed {
        let now = now_ms();
        let pty = self.process.pty().filter(|_| self.process.is_live());
        let fd = pty.map(Pty::number);
        self.output.sync();
        let attachments = self
            .clients
            .iter()
            .map(|c| HandedAttachment {
                id: c.attachment.id,
                input: c.attachment.input(),
                typed: c.attachment.typed,
                left: c.attachment.left.or(Some(now)),
            })
            .collect();
        Handed {
            number: self.spec.number,
            fd,
            pid: self.process.pid(),
            exit: self.process.exit(),
            size: self.size,
            screen: Blob(self.output.screen.repaint()),
            held: Blob(self.output.held().to_vec()),
            behind: Blob(self.output.behind()),
            typed: Blob(self.process.typed().to_vec()),
            belief: self.belief.clone(),
            attachments,
            started: self.process.started,
            ended: self.process.ended,
            full_screen: self.output.full_screen(),
        }
    }

    pub(super) fn take_over(&mut self, handed: Handed) -> Result<(), String> {
        self.belief = handed.belief;
        self.process = match (handed.fd, handed.pid) {
            (Some(fd), Some(pid)) => {
                let pty = Pty::adopt(fd, pid).map_err(|e| e.to_string())?;
                Process::running(pty, handed.started, &handed.typed.0).ended_with(handed.exit)
            }
            _ => Process::over(handed.started, handed.ended),
        };
        for a in handed.attachments {
            let mut attachment = Attachment::new(a.id, a.input, handed.started);
            attachment.typed = a.typed;
            attachment.left = a.left;
            self.clients.remember(attachment);
        }
        if !handed.held.0.is_empty() {
            self.ingest(&handed.held.0.into());
        }
        Ok(())
    }
}
