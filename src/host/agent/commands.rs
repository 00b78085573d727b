//! What others ask of an agent.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::clients::Stream;
use super::echoes::Echoes;
use super::{Agent, Command, start, warning};
use crate::host::state;
use crate::model::{AgentStatus, now_ms};
use crate::mux::keys;
use crate::proto::{Attach, Attached, ErrorCode, Form, ToClient, View, WireError};

/// How long clients may take for the rest when the session ends.
const LAST_OUTPUT: Duration = Duration::from_secs(5);

impl Agent {
    pub(super) async fn command(&mut self, command: Command, now: Duration) {
        match command {
            Command::Attach {
                conn,
                attach,
                scrollback,
                gone,
            } => self.attach(conn, *attach, scrollback, gone, now).await,
            Command::Restart { fresh, done } => {
                let result = self.restart(fresh);
                // The session must know that it runs before anybody acts on the answer: with its last agent
                // taken for ended it would end.
                self.news = true;
                self.tell(now);
                let _ = done.send(result);
            }
            Command::Send { text, keys, done } => {
                let _ = done.send(self.send(&text, &keys));
            }
            Command::Screen { done } => {
                let _ = done.send(self.output.shown().text());
            }
            Command::Question { done } => {
                let _ = done.send(Box::new(self.question()));
            }
            Command::Answer {
                hash,
                text,
                keys,
                watch,
                done,
            } => self.answer(&hash, text, keys, watch, done, now),
            Command::Notify {
                state,
                message,
                progress,
            } => {
                let message = message.as_deref();
                let said = (state, message.map(str::to_owned));
                if self.hooked.as_ref() != Some(&said) {
                    let text = match message {
                        Some(message) => format!("hook: {state}: {message}"),
                        None => format!("hook: {state}"),
                    };
                    self.output
                        .mark(&state::clean(&text).unwrap_or_default(), now_ms());
                    self.hooked = Some(said);
                }
                self.belief.hook(state, message, progress, now_ms());
                self.news = true;
            }
            Command::Notice(text) => {
                for client in self.clients.iter_mut() {
                    client.notice(&text, false);
                }
                if self.process.is_live() {
                    warning::tell(&self.hub, &self.spec, &text);
                }
            }
            Command::Cpu => self.belief.cpu(now_ms()),
            Command::HandOver { done, back } => {
                // The binary that takes over knows nothing of who waits for an answer's fate.
                self.untaken();
                self.clients.flush_now().await;
                if done.send(self.hand_over()).is_ok() {
                    let _ = back.await;
                }
            }
            Command::Finish => self.finishing = Some(now.saturating_add(LAST_OUTPUT)),
        }
    }

    async fn attach(
        &mut self,
        conn: Box<Stream>,
        attach: Attach,
        scrollback: Bytes,
        gone: oneshot::Sender<()>,
        now: Duration,
    ) {
        let at = now_ms();
        let who = state::clean(&conn.peer.who).unwrap_or_default();
        let alone = self.clients.owner().is_none();
        let index = self.clients.open(attach.attachment, conn, gone, at).await;
        if let Some(client) = self.clients.get(index) {
            let a = &mut client.attachment;
            a.who = who;
            a.since = at;
            a.size = attach.size.clamped();
            a.read_only = attach.read_only;
            a.terminal = attach.terminal.clone();
        }
        if alone && !attach.read_only {
            self.clients.note_typed(index);
        }
        self.fit();
        let scene = self.scene();
        let status = self.status(at);
        let Some(client) = self.clients.get(index) else {
            return;
        };
        let (resumed, offset) = client.attachment.connect(&attach, scrollback, scene, now);
        let attached = Attached {
            agent: status,
            offset,
            input: client.attachment.input(),
            view: View {
                form: client.attachment.form().unwrap_or(Form::Raw),
                size: scene.size,
            },
            resumed,
        };
        if attach.echoes {
            // What an earlier stream brought may not be answered either.
            let mut echoes = Echoes::default();
            echoes.given(attached.input, now);
            client.echoes = Some(echoes);
        }
        client.queue(&ToClient::Attached(Box::new(attached)));
        self.news = true;
    }

    fn restart(&mut self, fresh: bool) -> Result<AgentStatus, WireError> {
        if self.process.is_live() {
            return Err(WireError::new(
                ErrorCode::BadRequest,
                format!("agent {} still runs", self.spec.number),
            ));
        }
        if self.hub.is_ending() {
            return Err(WireError::new(ErrorCode::Ending, "the session is ending"));
        }
        let at = now_ms();
        // The old program's modes would be the new one's: undo them, where the clients' terminals see it too.
        let mut undo = self.output.screen.leave();
        undo.extend_from_slice(b"\r\n");
        self.ingest(&undo.into());
        self.output.mark("restarted", at);
        let argv = if fresh || self.spec.resume.is_empty() {
            self.spec.argv.clone()
        } else {
            self.spec.resume.clone()
        };
        let size = self.size;
        self.belief.spawned(at);
        match start::spawn(&self.hub, &self.spec, &argv, size) {
            Ok(pty) => {
                self.process = super::Process::running(pty, at, &[]);
                for client in self.clients.iter_mut() {
                    client.attachment.started_again();
                }
                self.news = true;
                Ok(self.status(at))
            }
            Err(why) => {
                self.failed_to_start(&why, at);
                Err(WireError::new(ErrorCode::Spawn, why))
            }
        }
    }

    pub(super) fn send(&mut self, text: &str, names: &[String]) -> Result<(), WireError> {
        if !self.process.is_live() {
            return Err(WireError::new(
                ErrorCode::AgentOver,
                format!(
                    "agent {} has ended; nobody reads what is sent",
                    self.spec.number
                ),
            )
            .hint(format!(
                "`remote restart {}/{}`",
                self.hub.id, self.spec.number
            )));
        }
        let mut bytes = if text.is_empty() {
            Vec::new()
        } else {
            keys::paste(text, self.output.screen.bracketed_paste())
        };
        for name in names {
            let key = keys::encode(name, self.output.screen.app_cursor()).ok_or_else(|| {
                WireError::new(ErrorCode::BadRequest, format!("`{name}` is not a key")).hint(
                    "keys have tmux's names: C-c, M-x, Enter, Escape, Up, F5, or one character",
                )
            })?;
            bytes.extend_from_slice(&key);
        }
        if !self.process.has_room() {
            return Err(WireError::new(
                ErrorCode::Io,
                format!("agent {} does not read what is typed", self.spec.number),
            ));
        }
        self.process.type_in(&bytes);
        self.belief.typed(now_ms());
        Ok(())
    }
}
