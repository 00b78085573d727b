//! A real host in this process, on a directory of its own, spoken to through its Unix socket.

mod attach;
mod faults;
mod lifecycle;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use super::{RunOptions, files, run};
use crate::config::SessionDir;
use crate::error::Result;
use crate::model::{
    AgentSpec, Ends, HostEndpoint, SessionId, SessionSpec, SessionStatus, Size, Terminal, now_ms,
};
use crate::mux::Screen;
use crate::proto::{
    Attach, Attached, AttachmentId, Conn, Form, Op, Outcome, Request, Resume, ToClient, ToHost,
};

pub const SIZE: Size = Size { cols: 80, rows: 24 };
const LIMIT: Duration = Duration::from_secs(20);

/// Awaits what must come soon.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(LIMIT, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come"),
    }
}

pub fn agent(number: u32, argv: &[&str]) -> AgentSpec {
    AgentSpec {
        number,
        name: argv[0].to_owned(),
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        resume: Vec::new(),
        env: BTreeMap::new(),
        cwd: "/".into(),
        size: SIZE,
        task: String::new(),
        check: None,
        push: None,
        forward_agent: false,
    }
}

pub fn sh(number: u32, script: &str) -> AgentSpec {
    agent(number, &["/bin/sh", "-c", script])
}

pub struct Session {
    pub dir: SessionDir,
    pub host: JoinHandle<Result<()>>,
    pub endpoint: HostEndpoint,
    _temporary: Option<TempDir>,
}

impl Session {
    pub async fn start(agents: Vec<AgentSpec>, ends: Ends) -> Self {
        Self::start_on("ssh", agents, ends).await
    }

    pub async fn start_on(provider: &str, agents: Vec<AgentSpec>, ends: Ends) -> Self {
        let temporary = tempfile::tempdir().expect("a directory");
        let dir = SessionDir::new(temporary.path());
        let spec = SessionSpec {
            id: SessionId::generate().expect("random bytes"),
            name: None,
            task: String::new(),
            provider: provider.to_owned(),
            owner: "test".to_owned(),
            created: now_ms(),
            ends,
            agents,
            price_microusd_per_hour: 0,
            budget_microusd: None,
            workspace: None,
        };
        files::write_json(&dir.spec(), &spec).expect("written");
        let mut session = Self::over(dir).await;
        session._temporary = Some(temporary);
        session
    }

    /// On a directory that is there already.
    pub async fn over(dir: SessionDir) -> Self {
        let host = tokio::spawn(run(dir.clone(), RunOptions::default()));
        let ready = async {
            loop {
                if let Ok(endpoint) = files::read_json(&dir.endpoint()) {
                    return endpoint;
                }
                assert!(!host.is_finished(), "the host ended before it was ready");
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        let endpoint = soon("the host", ready).await;
        Self {
            dir,
            host,
            endpoint,
            _temporary: None,
        }
    }

    pub async fn connect(&self) -> Conn<UnixStream, ToClient, ToHost> {
        let stream = UnixStream::connect(&self.endpoint.socket)
            .await
            .expect("connects");
        Conn::<_, ToClient, ToHost>::client(stream, "me@test")
            .await
            .expect("greets")
    }

    /// One question on a stream of its own.
    pub async fn ask(&self, op: Op) -> Outcome {
        let mut conn = self.connect().await;
        conn.sender
            .send(&ToHost::Request(Request { id: 7, op }))
            .await
            .expect("sent");
        let answer = async {
            loop {
                match conn.receiver.next().await.expect("readable") {
                    Some(ToClient::Reply(reply)) => return reply.outcome,
                    Some(_) => {}
                    None => panic!("closed without an answer"),
                }
            }
        };
        soon("the answer", answer).await
    }

    pub async fn status(&self) -> SessionStatus {
        match self.ask(Op::Status).await {
            Outcome::Status { status } => *status,
            other => panic!("{other:?}"),
        }
    }

    /// Waits until the status is so.
    pub async fn until(
        &self,
        what: &str,
        mut so: impl FnMut(&SessionStatus) -> bool,
    ) -> SessionStatus {
        let mut conn = self.connect().await;
        conn.sender
            .send(&ToHost::Request(Request {
                id: 1,
                op: Op::Watch,
            }))
            .await
            .expect("sent");
        let wait = async {
            loop {
                match conn.receiver.next().await.expect("readable") {
                    Some(ToClient::Event(crate::proto::Event::Status { status })) => {
                        if so(&status) {
                            return *status;
                        }
                    }
                    Some(_) => {}
                    None => panic!("the session ended before: {what}"),
                }
            }
        };
        soon(what, wait).await
    }

    pub async fn attach(&self, attach: Attach) -> Client {
        let mut conn = self.connect().await;
        conn.sender
            .send(&ToHost::Attach(attach))
            .await
            .expect("sent");
        let first = soon("attached", conn.receiver.next()).await;
        let Some(ToClient::Attached(attached)) = first.expect("readable") else {
            panic!("not attached");
        };
        Client {
            conn,
            offset: attached.offset,
            screen: Screen::new(attached.view.size),
            attached: *attached,
            bytes: Vec::new(),
            frames: Vec::new(),
            consumed: 0,
            acked: 0,
            echoed: None,
            ended: None,
            notices: Vec::new(),
            ponged: 0,
            credit: true,
        }
    }

    pub async fn terminate(self) {
        let outcome = self.ask(Op::Terminate { why: "test".into() }).await;
        assert_eq!(outcome, Outcome::Done);
        soon("the host's end", self.host)
            .await
            .expect("joined")
            .expect("ended well");
    }
}

pub fn attach(agent: u32, id: u8, size: Size, resume: Option<Resume>) -> Attach {
    Attach {
        agent,
        attachment: AttachmentId([id; 16]),
        size,
        read_only: false,
        terminal: Terminal::default(),
        resume,
        scrollback: 0,
        window: 256 * 1024,
        echoes: false,
    }
}

/// An attached terminal.
pub struct Client {
    pub conn: Conn<UnixStream, ToClient, ToHost>,
    pub attached: Attached,
    pub offset: u64,
    pub screen: Screen,
    /// All raw bytes.
    pub bytes: Vec<u8>,
    pub frames: Vec<(Form, u64, u64)>,
    pub consumed: u64,
    pub acked: u64,
    /// The last echo-ack, and how many raw bytes had come before it.
    pub echoed: Option<(u64, usize)>,
    pub ended: Option<crate::proto::AgentEnded>,
    pub notices: Vec<String>,
    /// The last ping that was answered.
    pub ponged: u64,
    /// Give credit for what comes.
    pub credit: bool,
}

impl Client {
    pub async fn send(&mut self, message: ToHost) {
        self.conn.sender.send(&message).await.expect("sent");
    }

    pub async fn type_in(&mut self, number: u64, bytes: &'static [u8]) {
        let bytes = bytes.into();
        self.send(ToHost::Input { number, bytes }).await;
    }

    /// Takes one frame; false at the stream's end.
    pub async fn step(&mut self) -> bool {
        let message = match self.conn.receiver.next().await {
            Ok(Some(message)) => message,
            Ok(None) | Err(_) => return false,
        };
        match message {
            ToClient::Output {
                from,
                to,
                form,
                bytes,
            } => {
                self.frames.push((form, from, to));
                match form {
                    Form::Raw => {
                        assert_eq!(from, self.offset, "bytes join up");
                        self.bytes.extend_from_slice(&bytes);
                    }
                    Form::Repaint | Form::Drawn | Form::Scrollback => {}
                }
                self.offset = to;
                self.screen.feed(&bytes);
                self.consumed += bytes.len() as u64;
                if self.credit {
                    let window = 256 * 1024;
                    let consumed = self.consumed;
                    let _ = self
                        .conn
                        .sender
                        .send(&ToHost::Credit { consumed, window })
                        .await;
                }
            }
            ToClient::InputAck(number) => self.acked = number,
            ToClient::EchoAck(number) => self.echoed = Some((number, self.bytes.len())),
            ToClient::View(view) => self.screen.resize(view.size),
            ToClient::Ended(ended) => self.ended = Some(ended),
            ToClient::Pong(nonce) => self.ponged = nonce,
            ToClient::Notice(notice) => self.notices.push(notice.text),
            _ => {}
        }
        true
    }

    pub async fn until(&mut self, what: &str, mut so: impl FnMut(&Self) -> bool) {
        let wait = async {
            while !so(self) {
                assert!(self.step().await, "the stream ended before: {what}");
            }
        };
        soon(what, wait).await;
    }

    pub async fn ping(&mut self, nonce: u64) {
        self.send(ToHost::Ping(nonce)).await;
        self.until("the answer to a ping", |c| c.ponged == nonce)
            .await;
    }

    pub async fn until_text(&mut self, text: &'static str) {
        self.until(text, |c| c.text().contains(text)).await;
    }

    pub fn text(&self) -> String {
        self.screen.text().join("\n")
    }

    pub fn resume(&self) -> Resume {
        Resume {
            offset: self.offset,
            form: Form::Raw,
            size: self.screen.size(),
        }
    }
}
