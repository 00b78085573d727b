//! The engine between a small host and a terminal of bytes: both are the test's own.

mod guess;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::client::control::ByteStream;
use crate::model::{AgentState, Evidence, Source};
use crate::mux::Screen;
use crate::proto::{Attach, Attached, Conn, Form, Resumed, ToClient, ToHost, View};

const SIZE: Size = Size { cols: 40, rows: 8 };
const LIMIT: Duration = Duration::from_secs(20);

/// Hands the host's end of each stream to the test.
struct TestDial(mpsc::UnboundedSender<DuplexStream>);

impl Dial for TestDial {
    fn dial(&self, _refresh: bool) -> BoxFuture<'_, Result<Box<dyn ByteStream>, DialError>> {
        let (client, host) = duplex(1 << 20);
        let sent = self.0.send(host);
        Box::pin(async move {
            sent.map_err(|_| DialError {
                retry: crate::client::link::Retry::Soon,
                message: "no host".into(),
            })?;
            Ok(Box::new(client) as Box<dyn ByteStream>)
        })
    }
}

#[derive(Clone, Default)]
struct TestConsole(Arc<AtomicUsize>);

impl Console for TestConsole {
    fn suspend(&mut self) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst);
        true
    }
    fn resume(&mut self) {
        self.0.fetch_add(100, Ordering::SeqCst);
    }
}

/// An attached engine with everything around it.
struct Lab {
    engine: JoinHandle<Result<Report, getrandom::Error>>,
    keys: DuplexStream,
    terminal: DuplexStream,
    /// Everything the terminal was given.
    seen: Vec<u8>,
    outside: mpsc::Sender<Outside>,
    dials: mpsc::UnboundedReceiver<DuplexStream>,
    console: TestConsole,
}

impl Lab {
    fn new() -> Self {
        Self::predicting(Predict::Never)
    }

    fn predicting(predict: Predict) -> Self {
        let (dialed, dials) = mpsc::unbounded_channel();
        let (keys, input) = duplex(4096);
        let (terminal, output) = duplex(64 * 1024);
        let (outside, events) = mpsc::channel(8);
        let console = TestConsole::default();
        let options = Options {
            session: "session-abc234".into(),
            agent: 1,
            who: "me@here".into(),
            size: SIZE,
            terminal: Terminal::default(),
            read_only: false,
            scrollback: 100,
            detach_key: None,
            keyboard: true,
            display: true,
            predict,
            pane: false,
        };
        let parts = Parts {
            dial: Arc::new(TestDial(dialed)),
            input: Box::new(input),
            output: Box::new(output),
            outside: events,
            console: Box::new(console.clone()),
        };
        Self {
            engine: tokio::spawn(attach(options, parts)),
            keys,
            terminal,
            seen: Vec::new(),
            outside,
            dials,
            console,
        }
    }

    async fn host(&mut self) -> Host {
        let stream = tokio::time::timeout(LIMIT, self.dials.recv()).await;
        let stream = stream.expect("a dial in time").expect("a dial");
        let mut conn = Conn::host(stream, "host").await.expect("hellos");
        let attach = match conn.receiver.next().await {
            Ok(Some(ToHost::Attach(attach))) => attach,
            other => panic!("{other:?}"),
        };
        Host {
            conn,
            attach,
            to: 0,
        }
    }

    async fn type_(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).await.expect("typed");
    }

    /// Reads the terminal until it has been given `text`, looked for from `from` on.
    async fn until(&mut self, text: &[u8]) {
        let mut buf = vec![0; 64 * 1024];
        let found = |seen: &[u8]| memchr::memmem::find(seen, text).is_some();
        let all = async {
            while !found(&self.seen) {
                match self.terminal.read(&mut buf).await.expect("output") {
                    0 => panic!("the end without {:?}", String::from_utf8_lossy(text)),
                    n => self.seen.extend_from_slice(&buf[..n]),
                }
            }
        };
        if tokio::time::timeout(LIMIT, all).await.is_err() {
            panic!("no {:?}", String::from_utf8_lossy(text));
        }
    }

    async fn end(mut self) -> (Report, Vec<u8>) {
        let read = self.terminal.read_to_end(&mut self.seen);
        tokio::time::timeout(LIMIT, read)
            .await
            .expect("an end")
            .expect("output");
        let report = self.engine.await.expect("no panic").expect("an identity");
        (report, self.seen)
    }
}

/// One connection's host side.
struct Host {
    conn: Conn<DuplexStream, ToHost, ToClient>,
    attach: Attach,
    to: u64,
}

impl Host {
    async fn send(&mut self, message: ToClient) {
        self.conn.sender.send(&message).await.expect("sent");
    }

    async fn attached(&mut self, offset: u64, resumed: Resumed) {
        self.to = offset;
        let attached = Attached {
            agent: status(),
            offset,
            input: 0,
            view: View {
                form: Form::Raw,
                size: SIZE,
            },
            resumed,
        };
        self.send(ToClient::Attached(Box::new(attached))).await;
    }

    async fn output(&mut self, form: Form, covers: u64, bytes: &[u8]) {
        let from = self.to;
        self.to += covers;
        self.send(ToClient::Output {
            from,
            to: self.to,
            form,
            bytes: Bytes::copy_from_slice(bytes),
        })
        .await;
    }

    async fn raw(&mut self, bytes: &[u8]) {
        self.output(Form::Raw, bytes.len() as u64, bytes).await;
    }

    /// The next message that `pick` wants; others are passed over.
    async fn hear<T>(&mut self, mut pick: impl FnMut(ToHost) -> Option<T>) -> T {
        let heard = async {
            loop {
                match self.conn.receiver.next().await {
                    Ok(Some(message)) => {
                        if let Some(found) = pick(message) {
                            return found;
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        };
        tokio::time::timeout(LIMIT, heard)
            .await
            .expect("heard in time")
    }
}

fn status() -> AgentStatus {
    AgentStatus {
        number: 1,
        name: "sh".into(),
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
        size: SIZE,
        started: 0,
        ended: None,
        bytes: 0,
        full_screen: false,
        check: None,
        work: None,
        push: None,
        cut: false,
    }
}

/// An empty screen, as the host paints it first.
fn blank() -> Vec<u8> {
    Screen::new(SIZE).repaint()
}

fn screen(bytes: &[u8]) -> Screen {
    let mut screen = Screen::new(SIZE);
    // Being painted anew once leaves no mark on a screen, but on what it knows to have been set.
    screen.feed(&blank());
    screen.feed(bytes);
    screen
}

#[tokio::test]
async fn keys_and_output_pass_and_leaving_resets_what_was_set() {
    let mut lab = Lab::new();
    let mut host = lab.host().await;
    assert_eq!((host.attach.size, host.attach.scrollback), (SIZE, 100));
    host.attached(0, Resumed::Repaint).await;
    host.output(Form::Repaint, 0, &blank()).await;
    host.raw(b"\x1b[?2004h\x1b[?1000h$ ").await;
    lab.until(b"$ ").await;
    lab.type_("ls\r~").await;
    let input = |m| match m {
        ToHost::Input { number, bytes } => Some((number, bytes)),
        _ => None,
    };
    assert_eq!(host.hear(input).await, (1, Bytes::from("ls\r")));
    lab.type_(".").await;
    host.hear(|m| (m == ToHost::Detach).then_some(())).await;
    let (report, seen) = lab.end().await;
    assert_eq!(report.ending, Ending::Left);
    let text = String::from_utf8_lossy(&seen);
    let (_, after) = text.split_once("$ ").expect("the prompt");
    assert!(
        after.contains("2004l") && after.contains("1000l"),
        "{after:?}"
    );
}

#[tokio::test]
async fn a_lost_connection_shows_a_banner_that_leaves_no_trace() {
    let mut lab = Lab::new();
    let mut host = lab.host().await;
    host.attached(0, Resumed::Repaint).await;
    host.output(Form::Repaint, 0, &blank()).await;
    let first = b"\x1b[31mtop row\x1b[m\r\n\x1b[2;5r\x1b[?6h\x1b[1mmid";
    host.raw(first).await;
    lab.until(b"mid").await;
    drop(host);
    // The next connection is made at once; what it is told to wait for shows as trouble.
    let mut host = lab.host().await;
    let resume = host.attach.resume.expect("a place to go on from");
    assert_eq!(
        (resume.offset, resume.form),
        (first.len() as u64, Form::Raw)
    );
    assert_eq!(host.attach.scrollback, 0);
    lab.until(b"connection lost").await;
    host.attached(resume.offset, Resumed::Bytes).await;
    let second = "dle\r\nlow\u{1b}[?25l€";
    host.raw(second.as_bytes()).await;
    lab.until("€".as_bytes()).await;
    let agent = [first, second.as_bytes()].concat();
    assert_eq!(
        String::from_utf8_lossy(&screen(&lab.seen).repaint()),
        String::from_utf8_lossy(&screen(&agent).repaint())
    );
    lab.type_("\r~.").await;
    let (report, _) = lab.end().await;
    assert_eq!((report.stats.by_bytes, report.stats.by_repaint), (1, 0));
}

#[tokio::test]
async fn all_output_is_written_before_the_end() {
    let mut lab = Lab::new();
    let mut host = lab.host().await;
    host.attached(0, Resumed::Repaint).await;
    host.output(Form::Scrollback, 0, b"above\r\n").await;
    host.output(Form::Repaint, 0, &blank()).await;
    for _ in 0..40 {
        host.raw(&[b'x'; 8000]).await;
    }
    host.raw(b"last words").await;
    let ended = AgentEnded {
        state: AgentState::Exited { code: 3 },
        session_over: false,
    };
    host.send(ToClient::Ended(ended.clone())).await;
    let (report, seen) = lab.end().await;
    assert_eq!(report.ending, Ending::Ended(ended));
    let text = String::from_utf8_lossy(&seen);
    assert!(
        text.starts_with("above\r\n\r\n\n\n\n\n\n\n\x18"),
        "{:?}",
        text.get(..40)
    );
    assert!(text.contains("last words"));
    assert_eq!(memchr::memchr_iter(b'x', &seen).count(), 320_000);
}

#[tokio::test]
async fn a_suspended_terminal_is_put_back_and_painted_again() {
    let mut lab = Lab::new();
    let mut host = lab.host().await;
    host.attached(0, Resumed::Repaint).await;
    host.output(Form::Repaint, 0, &blank()).await;
    let agent = b"\x1b[?1049h\x1b[?1006hfull screen";
    host.raw(agent).await;
    lab.until(b"full screen").await;
    lab.type_("~\x1a").await;
    lab.until(b"1049l\x1b").await;
    while lab.console.0.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    // Nothing is written while the shell has the terminal.
    host.raw(b" and more").await;
    lab.outside.send(Outside::Continued).await.expect("sent");
    lab.until(b" and more").await;
    assert_eq!(lab.console.0.load(Ordering::SeqCst), 101);
    let whole = [&agent[..], b" and more"].concat();
    assert_eq!(screen(&lab.seen).repaint(), screen(&whole).repaint());
    lab.outside.send(Outside::Signal(15)).await.expect("sent");
    assert_eq!(lab.end().await.0.ending, Ending::Signal(15));
}

#[tokio::test]
async fn after_a_flood_the_mirror_learns_in_silence_what_it_missed() {
    let mut lab = Lab::new();
    let mut host = lab.host().await;
    host.attached(0, Resumed::Repaint).await;
    host.output(Form::Repaint, 0, &blank()).await;
    let line = b"0123456789 0123456789 0123456789\r\n";
    let chunk = line.repeat(900);
    let flood = async {
        for _ in 0..120 {
            host.raw(&chunk).await;
        }
        host.raw(b"the end").await;
        host.hear(|m| (m == ToHost::Repaint).then_some(())).await;
        host
    };
    let (mut host, ()) = tokio::join!(flood, lab.until(b"the end"));
    lab.seen.clear();
    let mut truth = screen(&line.repeat(20));
    truth.feed(b"the end");
    host.output(Form::Repaint, 0, &truth.repaint()).await;
    host.raw(b"\x1b[?1004h!").await;
    lab.until(b"!").await;
    // The terminal was not painted again, and yet we know what it shows.
    assert_eq!(lab.seen, b"\x1b[?1004h!");
    lab.type_("~.").await;
    let (_, seen) = lab.end().await;
    let left = String::from_utf8_lossy(&seen);
    assert!(
        left.contains("1004l") && left.contains("\x1b[8H\r\n"),
        "{left:?}"
    );
}

#[tokio::test]
async fn a_hangup_of_the_terminal_ends_without_a_word() {
    let mut lab = Lab::new();
    let mut host = lab.host().await;
    host.attached(0, Resumed::Repaint).await;
    host.output(Form::Repaint, 0, &blank()).await;
    lab.until(b"\x18").await;
    lab.keys.shutdown().await.expect("closed");
    host.hear(|m| (m == ToHost::Detach).then_some(())).await;
    assert_eq!(lab.end().await.0.ending, Ending::Hangup);
}
