//! The loop: a key goes out as it comes, output goes to the terminal as it takes it, and in between the
//! link decides. One task does all of it, so that nothing waits for another.

mod guess;
mod paint;
mod typing;
mod waits;

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use waits::{dialed, flush, next, read, sleep, write};

use super::banner::{Banner, NOTICE, readable, short};
use super::dial::{BoxFuture, Dial, DialError};
use super::escape::Escapes;
use super::facts::Facts;
use super::mirror::Mirror;
use super::outlet::{Kind, Outlet};
use super::predict::Predictor;
use super::{Console, Ending, Options, Outside, Parts, Report};
use crate::client::control::ByteStream;
use crate::client::link::{Config, Effect, Event, Failure, Link, Now, Reason};
use crate::model::{AgentStatus, now_ms};
use crate::mux::Overlay;
use crate::proto::{AttachmentId, Form, Receiver, Sender, ToClient, ToHost, halves, hello};

type Stream = Box<dyn ByteStream>;
type Dialing = BoxFuture<'static, Result<Stream, DialError>>;

const READ: usize = 64 * 1024;
/// Input from a pipe is read no further than this ahead of the agent.
const PIPED: usize = 256 * 1024;
/// The terminal is not waited for longer when we leave, nor the host.
const LEAVE_TERMINAL: Duration = Duration::from_secs(2);
const LEAVE_HOST: Duration = Duration::from_millis(500);

/// A repaint that was asked for to teach the mirror, not the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lesson {
    None,
    Asked,
    Taking,
}

/// One attachment while it lasts.
pub(super) struct Engine {
    options: Options,
    link: Link,
    dial: Arc<dyn Dial>,
    input: Option<Box<dyn AsyncRead + Send + Unpin>>,
    output: Box<dyn AsyncWrite + Send + Unpin>,
    outside: mpsc::Receiver<Outside>,
    console: Box<dyn Console>,
    began: Instant,
    receiver: Option<Receiver<Stream, ToClient>>,
    sender: Option<Sender<Stream, ToHost>>,
    dialing: Option<Dialing>,
    outlet: Outlet,
    mirror: Mirror,
    banner: Banner,
    predictor: Predictor,
    /// What of the predictor's is on the terminal, or about to be.
    guessed: Overlay,
    escapes: Escapes,
    facts: Option<Facts>,
    facts_until: Duration,
    flush_at: Option<Duration>,
    last_write: Duration,
    lesson: Lesson,
    /// The terminal has been given something of the agent's.
    primed: bool,
    /// A banner hides what only the host can restore.
    heal: bool,
    suspended: bool,
    ending: Option<Ending>,
    agent: Option<AgentStatus>,
    notices: Vec<String>,
    /// To be written between two of the agent's sequences.
    told: Vec<u8>,
    effects: Vec<Effect>,
}

/// Shown for a moment at the beginning: keys that do nothing would look like a dead line.
const READ_ONLY: &str = "remote: read-only; what you type goes nowhere, ~. leaves";

impl Engine {
    pub(super) fn new(options: Options, parts: Parts) -> Result<Self, getrandom::Error> {
        let attachment = AttachmentId::generate()?;
        let seed = attachment
            .0
            .iter()
            .fold(0, |n: u64, b| n.rotate_left(8) ^ u64::from(*b));
        let config = Config {
            agent: options.agent,
            attachment,
            hello: hello(&options.who),
            size: options.size,
            read_only: options.read_only,
            scrollback: options.scrollback,
            terminal: options.terminal.clone(),
            echoes: Self::may_guess(&options),
        };
        Ok(Self {
            link: Link::new(config, seed),
            dial: parts.dial,
            input: Some(parts.input),
            output: parts.output,
            outside: parts.outside,
            console: parts.console,
            began: Instant::now(),
            receiver: None,
            sender: None,
            dialing: None,
            outlet: Outlet::default(),
            mirror: Mirror::new(options.size),
            banner: Banner::new((options.read_only && !options.pane).then_some(READ_ONLY)),
            predictor: Predictor::new(options.predict),
            guessed: Overlay::default(),
            escapes: Escapes::new(options.detach_key.as_ref()),
            facts: None,
            facts_until: Duration::ZERO,
            flush_at: None,
            last_write: Duration::ZERO,
            lesson: Lesson::None,
            primed: false,
            heal: false,
            suspended: false,
            ending: None,
            agent: None,
            notices: Vec::new(),
            told: Vec::new(),
            effects: Vec::new(),
            options,
        })
    }

    pub(super) async fn run(mut self) -> Result<Report, getrandom::Error> {
        self.event(Event::Start);
        self.ask_terminal();
        let mut buf = BytesMut::with_capacity(READ);
        loop {
            self.keep_house();
            if self.ending.is_some() {
                break;
            }
            let wake = self.wake();
            let reads = self.options.keyboard || self.link.undelivered() < PIPED;
            tokio::select! {
                biased;
                Some(outside) = self.outside.recv() => self.outside(outside).await,
                read = read(&mut self.input, &mut buf), if reads => match read {
                    Ok(0) | Err(_) => self.input_over(),
                    Ok(_) => {
                        let bytes = buf.split().freeze();
                        self.typed(&bytes).await;
                    }
                },
                sent = flush(&mut self.sender) => if sent.is_err() {
                    self.lost();
                },
                wrote = write(&mut self.output, &self.outlet, self.suspended) => match wrote {
                    Ok(n) if n > 0 => self.wrote(n),
                    _ => self.ending = Some(Ending::Hangup),
                },
                frame = next(&mut self.receiver) => match frame {
                    Ok(Some(frame)) => self.event(Event::Frame(frame)),
                    Ok(None) | Err(_) => self.lost(),
                },
                dialed = dialed(&mut self.dialing) => self.dialed(dialed),
                () = sleep(wake) => self.event(Event::Tick),
            }
        }
        Ok(self.finish().await)
    }

    fn now(&self) -> Now {
        Now {
            mono: self.began.elapsed(),
            wall: now_ms(),
        }
    }

    fn mono(&self) -> Duration {
        self.began.elapsed()
    }

    fn event(&mut self, event: Event) {
        let now = self.now();
        let mut effects = std::mem::take(&mut self.effects);
        self.link.handle(event, now, &mut effects);
        for effect in effects.drain(..) {
            self.perform(effect, now.mono);
        }
        self.effects = effects;
    }

    fn perform(&mut self, effect: Effect, now: Duration) {
        match effect {
            Effect::Dial { refresh } => {
                let dial = Arc::clone(&self.dial);
                self.dialing = Some(Box::pin(async move { dial.dial(refresh).await }));
            }
            Effect::Abort => {
                self.dialing = None;
                self.hang_up();
            }
            Effect::Send(message) => {
                if let Some(sender) = &mut self.sender {
                    // Only a body over the bound fails, and none of ours is.
                    let _ = sender.queue(&message);
                }
            }
            Effect::Write {
                form,
                from,
                to,
                bytes,
            } => self.arrived(form, from == to, bytes),
            Effect::Discard => self.outlet.discard(),
            Effect::Attached(attached) => {
                self.agent = Some(attached.agent);
                self.lesson = Lesson::None;
            }
            Effect::ShowBanner { since, attempt } => {
                let age = short(now.saturating_sub(since));
                let leaves = if self.options.pane {
                    ""
                } else {
                    "   ~. leaves"
                };
                self.banner.trouble = Some(if attempt == 0 {
                    format!("remote: nothing heard for {age} …{leaves}")
                } else {
                    format!("remote: connection lost {age} ago, retrying … ({attempt}){leaves}")
                });
            }
            Effect::HideBanner => self.banner.trouble = None,
            Effect::Confirm { text, age } => {
                self.predictor.forget();
                let (text, age) = (readable(&text, 24), short(age));
                self.banner.question = Some(format!(
                    "remote: send `{text}`, typed {age} ago and not delivered? (y/n)"
                ));
            }
            Effect::EndConfirm => self.banner.question = None,
            Effect::Notice(text) => self.notice(text),
            Effect::Close(reason) => {
                self.ending.get_or_insert(match reason {
                    Reason::Left => Ending::Left,
                    Reason::Ended(ended) => Ending::Ended(ended),
                    Reason::Failed(message) => Ending::Failed(message),
                    Reason::Refused { message, hint } => Ending::Refused { message, hint },
                });
            }
        }
    }

    fn notice(&mut self, text: String) {
        let until = self.mono() + NOTICE;
        self.banner.notice = Some((format!("remote: {text}"), until));
        if self.notices.len() < 100 {
            self.notices.push(text);
        }
    }

    /// Output of the agent, in order. `standing`: it covers no new agent bytes.
    fn arrived(&mut self, form: Form, standing: bool, bytes: Bytes) {
        let whole = matches!(form, Form::Repaint | Form::Drawn);
        let begins = whole && bytes.first() == Some(&0x18);
        if begins {
            let raw = form == Form::Repaint && standing;
            let silent = self.lesson == Lesson::Asked && raw && !self.mirror.is_good();
            self.lesson = if silent { Lesson::Taking } else { Lesson::None };
        } else if form != Form::Repaint && self.lesson == Lesson::Taking {
            self.lesson = Lesson::None;
        }
        let kind = match (self.lesson, begins) {
            (Lesson::Taking, _) => Kind::Silent,
            (_, true) => Kind::Repaint,
            _ => Kind::Agent,
        };
        if form != Form::Scrollback && !std::mem::replace(&mut self.primed, true) {
            let lines = self.pushing_up();
            self.outlet.push(Kind::Own, lines);
        }
        self.outlet.push(kind, bytes);
    }

    fn wrote(&mut self, n: usize) {
        let Some((kind, bytes)) = self.outlet.take(n) else {
            return;
        };
        if kind == Kind::Own {
            return;
        }
        self.last_write = self.mono();
        if self.options.display {
            self.mirror.wrote(bytes, kind == Kind::Repaint);
        }
        self.event(Event::Written(n));
    }

    fn dialed(&mut self, dialed: Result<Stream, DialError>) {
        self.dialing = None;
        match dialed {
            Ok(stream) => {
                let (receiver, sender) = halves(stream);
                self.receiver = Some(receiver);
                self.sender = Some(sender);
                self.event(Event::Dialed);
            }
            Err(DialError { retry, message }) => {
                self.event(Event::DialFailed(Failure { retry, message }));
            }
        }
    }

    fn lost(&mut self) {
        self.hang_up();
        self.event(Event::Lost);
    }

    fn hang_up(&mut self) {
        self.receiver = None;
        self.sender = None;
    }

    /// Says good-bye to host and terminal, neither of which may hold us up.
    async fn finish(mut self) -> Report {
        let ending = self.ending.take().unwrap_or(Ending::Left);
        let last = if ending == Ending::Hangup {
            Bytes::new()
        } else {
            self.last_bytes(!matches!(ending, Ending::Ended(_)))
        };
        let (output, sender) = (&mut self.output, &mut self.sender);
        let terminal = async {
            let put_back = async {
                output.write_all(&last).await?;
                output.flush().await
            };
            // A terminal that takes no more cannot be helped.
            let _ = tokio::time::timeout(LEAVE_TERMINAL, put_back).await;
        };
        let host = async {
            if let Some(sender) = sender {
                // The host drops a silent attachment by itself.
                let _ = tokio::time::timeout(LEAVE_HOST, sender.shutdown()).await;
            }
        };
        tokio::join!(terminal, host);
        Report {
            ending,
            agent: self.agent,
            stats: self.link.stats(),
            guessed: self.predictor.counts(),
            undelivered: self.link.undelivered(),
            notices: self.notices,
        }
    }
}
