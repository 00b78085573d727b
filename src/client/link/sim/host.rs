//! The host: it numbers its output, applies input once, skips a slow client ahead.

use bytes::Bytes;

use super::{CHUNK, LAG, PERIOD, RING, S, Sub, World};
use crate::model::{AgentState, AgentStatus, Evidence, Source};
use crate::proto::{Attached, Form, Hello, PROTOCOL, Resumed, ToClient, ToHost, View};

impl World {
    pub(super) fn drop_silent_client(&mut self) {
        let silent = |s: &Sub| self.at.saturating_sub(s.heard) > 30 * S;
        if self.sub.as_ref().is_some_and(silent)
            && let Some(sub) = self.sub.take()
        {
            self.send_down(sub.stream, None);
        }
    }

    pub(super) fn host(&mut self, id: u32, message: ToHost) {
        let at = self.at;
        if let ToHost::Attach(attach) = message {
            self.send_down(
                id,
                Some(ToClient::Hello(Hello {
                    protocol: PROTOCOL,
                    software: String::new(),
                    who: String::new(),
                })),
            );
            let resized = attach.size != self.size;
            self.size = attach.size;
            let from = attach.resume.filter(|r| {
                !resized
                    && r.size == self.size
                    && r.form == Form::Raw
                    && r.offset <= self.output_end
                    && self.output_end - r.offset < RING / 4
            });
            let offset = from.map_or(self.output_end, |r| r.offset);
            self.sub = Some(Sub {
                stream: id,
                sent_to: offset,
                sent: 0,
                consumed: 0,
                window: u64::from(attach.window),
                heard: at,
                repaint: from.is_none(),
                broken: false,
            });
            let resumed = match from {
                Some(_) => Resumed::Bytes,
                None => Resumed::Repaint,
            };
            let attached = self.attached(offset, resumed);
            self.send_down(id, Some(ToClient::Attached(Box::new(attached))));
            return self.pump();
        }
        let Some(sub) = self.sub.as_mut().filter(|s| s.stream == id) else {
            return;
        };
        sub.heard = at;
        match message {
            ToHost::Input { number, bytes } => {
                if number > self.applied_number {
                    assert_eq!(number, self.applied_number + 1, "input skipped a number");
                    self.applied_number = number;
                    let keys = bytes.chunks_exact(4);
                    assert!(keys.remainder().is_empty());
                    self.applied.extend(
                        keys.map(|k| u32::from_be_bytes(k.try_into().expect("four bytes"))),
                    );
                }
                self.send_down(id, Some(ToClient::InputAck(self.applied_number)));
            }
            ToHost::Credit { consumed, window } => {
                assert!(consumed >= sub.consumed && consumed <= sub.sent);
                sub.consumed = consumed;
                sub.window = u64::from(window);
            }
            ToHost::Resize(size) => {
                self.size = size;
                sub.repaint = true;
                let view = self.view();
                self.send_down(id, Some(ToClient::View(view)));
            }
            ToHost::Repaint => (sub.repaint, sub.broken) = (true, false),
            ToHost::Ping(nonce) => self.send_down(id, Some(ToClient::Pong(nonce))),
            ToHost::Detach => self.sub = None,
            _ => {}
        }
        self.pump();
    }

    pub(super) fn view(&self) -> View {
        View {
            form: Form::Raw,
            size: self.size,
        }
    }

    /// Leaves bytes out, as a broken host would.
    pub fn break_host(&mut self) {
        if let Some(sub) = &mut self.sub {
            sub.broken = true;
        }
    }

    pub(super) fn pump(&mut self) {
        let end = self.output_end;
        while let Some(sub) = &mut self.sub {
            let room = (sub.consumed + sub.window).saturating_sub(sub.sent);
            if sub.broken && end > sub.sent_to + 1 {
                sub.sent_to += 1;
                sub.broken = false;
            }
            let id = sub.stream;
            let behind = end - sub.sent_to;
            let frame = if sub.repaint || behind > LAG {
                if room < 500 {
                    return;
                }
                self.skips += usize::from(!sub.repaint);
                let from = if sub.repaint && behind < LAG {
                    end
                } else {
                    sub.sent_to
                };
                (sub.repaint, sub.sent_to) = (false, end);
                (from, end, Form::Repaint, Bytes::from_static(&[b'R'; 500]))
            } else {
                let n = behind.min(CHUNK).min(room);
                if n == 0 {
                    return;
                }
                let (from, at) = (sub.sent_to, (sub.sent_to % PERIOD) as usize);
                sub.sent_to += n;
                let bytes = self.pattern.slice(at..at + n as usize);
                (from, from + n, Form::Raw, bytes)
            };
            let (from, to, form, bytes) = frame;
            sub.sent += bytes.len() as u64;
            let output = ToClient::Output {
                from,
                to,
                form,
                bytes,
            };
            self.send_down(id, Some(output));
        }
    }

    pub(super) fn attached(&self, offset: u64, resumed: Resumed) -> Attached {
        Attached {
            agent: AgentStatus {
                number: 1,
                name: String::new(),
                argv: Vec::new(),
                task: String::new(),
                state: AgentState::Working,
                since: 0,
                evidence: Evidence {
                    source: Source::None,
                    at: 0,
                    message: None,
                    progress: None,
                },
                title: String::new(),
                pid: None,
                size: self.size,
                started: 0,
                ended: None,
                bytes: 0,
                full_screen: false,
                check: None,
                work: None,
                push: None,
                cut: false,
            },
            offset,
            input: self.applied_number,
            view: self.view(),
            resumed,
        }
    }
}
