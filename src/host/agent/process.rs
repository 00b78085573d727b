//! The program in its PTY: started, typed to, read, and noticed when it is over.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use crate::model::Millis;
use crate::mux::{Pty, reap};

/// Read and handled at a time, so that clients have their turn.
const BATCH: usize = 64 * 1024;
/// Less than this, and there is hardly more behind it.
const LITTLE: usize = 2048;
/// What is typed faster than the program reads waits up to here.
const TYPED_MAX: usize = 4 << 20;
/// Answers to its own queries that it does not read are dropped beyond this: it may ask without end.
const ANSWERS_MAX: usize = 64 * 1024;
/// What its children write after the program's own end still belongs to it, if it comes within this.
const LAST_WORDS: Duration = Duration::from_millis(100);
/// A program may open its terminal again.
const REOPEN: Duration = Duration::from_millis(250);

/// The one program of an agent, or what is left of it.
#[derive(Debug, Default)]
pub struct Process {
    pty: Option<Pty>,
    /// The first process while it runs.
    pid: Option<u32>,
    exit: Option<(i32, Duration)>,
    /// Nobody has the terminal open; look again then.
    closed: Option<Duration>,
    typed: BytesMut,
    /// When it last wrote something.
    spoke: Duration,
    pub started: Millis,
    pub ended: Option<Millis>,
    /// Its session ended while it ran.
    pub cut: bool,
}

impl Process {
    pub fn running(pty: Pty, started: Millis, typed: &[u8]) -> Self {
        Self {
            pid: Some(pty.pid()),
            pty: Some(pty),
            typed: BytesMut::from(typed),
            started,
            ..Self::default()
        }
    }

    /// One whose first process was reaped already, as [`Process::exit`] said.
    pub fn ended_with(mut self, code: Option<i32>) -> Self {
        self.exit = code.map(|code| (code, Duration::ZERO));
        self
    }

    /// Its exit code while its last words are waited for: it can be had from the kernel only once.
    pub fn exit(&self) -> Option<i32> {
        self.exit.map(|(code, _)| code)
    }

    /// One that is over already.
    pub fn over(started: Millis, ended: Option<Millis>) -> Self {
        Self {
            started,
            ended,
            ..Self::default()
        }
    }

    pub fn pty(&self) -> Option<&Pty> {
        self.pty.as_ref()
    }

    pub fn pid(&self) -> Option<u32> {
        self.pid
    }

    /// It was not yet told that it is over.
    pub fn is_live(&self) -> bool {
        self.pid.is_some()
    }

    pub fn typed(&self) -> &[u8] {
        &self.typed
    }

    pub fn has_room(&self) -> bool {
        self.typed.len() < TYPED_MAX
    }

    /// Room for what clients sent before they left.
    pub fn has_some_room(&self) -> bool {
        self.typed.len() < TYPED_MAX * 2
    }

    /// Types; what the program does not take at once waits.
    pub fn type_in(&mut self, bytes: &[u8]) {
        let Some(pty) = self.pty.as_ref().filter(|_| self.pid.is_some()) else {
            return;
        };
        let mut rest = bytes;
        if self.typed.is_empty()
            && let Ok(Some(n)) = pty.try_write(rest)
        {
            rest = rest.get(n..).unwrap_or_default();
        }
        self.typed.extend_from_slice(rest);
    }

    /// Types what its terminal answers to its queries.
    pub fn answer(&mut self, bytes: &[u8]) {
        if self.typed.len() < ANSWERS_MAX {
            self.type_in(bytes);
        }
    }

    pub fn has_typed(&self) -> bool {
        !self.typed.is_empty() && self.pty.is_some()
    }

    /// Waits until some of what was typed went out. Cancel-safe.
    pub async fn write_some(&self) -> io::Result<usize> {
        match &self.pty {
            Some(pty) => pty.write(&self.typed).await,
            None => std::future::pending().await,
        }
    }

    /// What [`Process::write_some`] gave. Nobody reads any more: what is left has no receiver.
    pub fn wrote(&mut self, result: io::Result<usize>) {
        match result {
            Ok(n) => self.typed.advance(n.min(self.typed.len())),
            Err(_) => self.typed.clear(),
        }
    }

    pub fn readable(&self) -> bool {
        self.pty.is_some() && self.closed.is_none()
    }

    /// Waits for output and takes all there is, up to a batch; 0 when nobody has the terminal open.
    /// Cancel-safe.
    pub async fn read(&self, scratch: &mut [u8], batch: &mut BytesMut) -> io::Result<usize> {
        let Some(pty) = &self.pty else {
            return std::future::pending().await;
        };
        let mut last = pty.read(scratch).await?;
        batch.extend_from_slice(scratch.get(..last).unwrap_or_default());
        while last >= LITTLE && batch.len() < BATCH {
            match pty.try_read(scratch) {
                Ok(Some(n @ 1..)) => {
                    batch.extend_from_slice(scratch.get(..n).unwrap_or_default());
                    last = n;
                }
                _ => break,
            }
        }
        Ok(batch.len())
    }

    /// The terminal is open nowhere now.
    pub fn closed(&mut self, now: Duration) {
        self.closed = Some(now.saturating_add(REOPEN));
        if !self.is_live() {
            self.pty = None;
            self.closed = None;
        }
    }

    /// A child of the host ended: perhaps this one.
    pub fn look(&mut self, now: Duration) {
        if let (Some(pid), None) = (self.pid, self.exit)
            && let Some(code) = reap(pid)
        {
            self.exit = Some((code, now));
        }
    }

    /// It wrote something.
    pub fn spoke(&mut self, now: Duration) {
        self.spoke = now;
    }

    /// When its last words count as said: a child that floods the terminal does not keep it from being over.
    fn silent_at(&self, exit: Duration) -> Duration {
        let quiet = exit.max(self.spoke).saturating_add(LAST_WORDS);
        quiet.min(exit.saturating_add(LAST_WORDS * 10))
    }

    /// Its exit code, once, when it has ended and all it wrote is in.
    pub fn take_exit(&mut self, now: Duration, now_ms: Millis) -> Option<i32> {
        if let Some(at) = self.closed
            && now >= at
        {
            self.closed = None;
        }
        let (code, at) = self.exit?;
        if self.closed.is_none() && self.pty.is_some() && now < self.silent_at(at) {
            return None;
        }
        self.exit = None;
        self.pid = None;
        self.ended = Some(now_ms);
        self.typed.clear();
        if self.closed.is_some() {
            self.pty = None;
            self.closed = None;
        }
        Some(code)
    }

    /// When to look again without anything having happened.
    pub fn wake(&self) -> Option<Duration> {
        let last_words = self.exit.map(|(_, at)| self.silent_at(at));
        [self.closed, last_words].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mux::SpawnRequest;

    #[tokio::test]
    async fn a_program_that_asks_without_end_and_reads_nothing_is_not_answered_without_end() {
        let script = "stty raw -echo; echo up; exec sleep 1000";
        let pty = Pty::spawn(&SpawnRequest {
            argv: &["sh".to_owned(), "-c".to_owned(), script.to_owned()],
            env: &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            cwd: std::path::Path::new("/"),
            size: crate::model::DEFAULT_SIZE,
        })
        .expect("starts");
        let mut process = Process::running(pty, 1, &[]);
        let (mut scratch, mut batch) = ([0; 100], BytesMut::new());
        while !batch.windows(2).any(|w| w == b"up") {
            process.read(&mut scratch, &mut batch).await.expect("reads");
        }
        for _ in 0..1000 {
            process.answer(&[b'x'; 1000]);
        }
        let waiting = process.typed().len();
        assert!((1000..ANSWERS_MAX + 1000).contains(&waiting), "{waiting}");
        assert!(process.has_room());
    }

    #[tokio::test]
    async fn an_exit_code_outlives_the_hosts_binary() {
        let pty = Pty::spawn(&SpawnRequest {
            argv: &["sh".to_owned(), "-c".to_owned(), "exit 7".to_owned()],
            env: &[("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            cwd: std::path::Path::new("/"),
            size: crate::model::DEFAULT_SIZE,
        })
        .expect("starts");
        let mut process = Process::running(pty, 1, &[]);
        while process.exit().is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            process.look(Duration::from_secs(9));
        }
        let (code, pty) = (process.exit(), process.pty.take().expect("there"));
        let mut next = Process::running(pty, 1, &[]).ended_with(code);
        next.look(Duration::ZERO);
        assert_eq!(next.take_exit(Duration::from_secs(1), 5), Some(7));
    }
}
