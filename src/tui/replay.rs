//! A history played on the whole terminal, a time line below it. One task: keys, the clock, the history as it comes.

mod bar;
mod film;
mod keys;

use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use regex::Regex;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use self::film::{Film, Reel};
use self::keys::{FASTEST, SLOWEST, Typing};
use super::keys::{Input, next};
use super::stage::{ENTER, FRAME, SEQUENCE, leave, sleep};
use super::{Ending, Theme};
use crate::client::attach::{Console, Outside};
use crate::client::history::History;
use crate::config::{Chord, Code};
use crate::error::{Error, Result};
use crate::model::{SessionEvent, Size};
use crate::mux::canvas::{Canvas, Painted};
use crate::mux::layout::Rect;

/// The time line moves at least so often while it plays.
const TICK: Duration = Duration::from_millis(200);
/// A search gives way to keys after this.
const SLICE: Duration = Duration::from_millis(10);

/// What is played, and where.
pub struct Play {
    pub history: History,
    /// What happened in its session.
    pub events: Vec<SessionEvent>,
    pub agent: u32,
    /// What it is called: `k3x7qd/1`.
    pub title: String,
    pub speed: f64,
    pub max_idle: Duration,
    pub theme: Theme,
    pub size: Size,
    pub input: Box<dyn AsyncRead + Send + Unpin>,
    pub output: Box<dyn AsyncWrite + Send + Unpin>,
    pub outside: mpsc::Receiver<Outside>,
    pub console: Box<dyn Console>,
}

/// What is looked for, and how far that has come.
struct Hunt {
    pattern: Regex,
    reel: Reel,
    /// Lines with it on the screen before.
    seen: usize,
    /// More of the history must come first.
    waits: bool,
}

/// Where it stands.
struct Player {
    film: Film,
    reel: Reel,
    /// Since when it plays, and from which moment of the film; `None` while it is paused.
    playing: Option<(Instant, Duration)>,
    speed: f64,
    loading: bool,
    title: String,
    theme: Theme,
    size: Size,
    typing: Option<Typing>,
    pattern: Option<Regex>,
    hunt: Option<Hunt>,
    word: Option<String>,
    drawn: Instant,
    ending: Option<Ending>,
    interrupted: bool,
}

/// Plays until the person leaves; true where that was by Ctrl-C.
///
/// # Errors
/// There is no room for the history on this machine.
pub async fn run(play: Play) -> Result<(Ending, bool)> {
    let Play {
        mut history,
        events,
        agent,
        title,
        speed,
        max_idle,
        theme,
        size,
        mut input,
        mut output,
        mut outside,
        mut console,
    } = play;
    let film = Film::new(max_idle, &events, agent)?;
    let reel = film.seek(Duration::ZERO)?;
    let mut player = Player {
        film,
        reel,
        playing: Some((Instant::now(), Duration::ZERO)),
        speed: speed.clamp(SLOWEST, FASTEST),
        loading: true,
        title,
        theme,
        size,
        typing: None,
        pattern: None,
        hunt: None,
        word: None,
        drawn: Instant::now(),
        ending: None,
        interrupted: false,
    };
    let mut painted = Painted::default();
    let mut pending = BytesMut::from(ENTER);
    let (mut typed, mut read) = (Vec::new(), BytesMut::new());
    let mut partial: Option<Instant> = None;
    let (mut wanted, mut last) = (true, Instant::now().checked_sub(FRAME));
    let played = async {
        while player.ending.is_none() {
            let now = Instant::now();
            if partial.is_some_and(|at| at <= now) {
                partial = None;
                player.input(&mut typed, true)?;
                wanted = true;
            }
            wanted |= player.time(now)?;
            wanted |= player.hunts()?;
            let due = last.is_none_or(|last| now >= last + FRAME);
            if wanted && due && pending.is_empty() {
                wanted = false;
                last = Some(now);
                pending.extend_from_slice(&painted.frame(player.compose()));
            }
            let frame = last.filter(|_| wanted).map(|last| last + FRAME);
            let wake = [partial, frame, player.wake(now)?]
                .into_iter()
                .flatten()
                .min();
            read.reserve(4096);
            tokio::select! {
                biased;
                Some(event) = outside.recv() => match event {
                    Outside::Resize(size, _) => {
                        player.size = size;
                        wanted = true;
                    }
                    Outside::Suspend => {
                        pending.clear();
                        leave(&mut output, b"").await;
                        console.suspend();
                        pending.extend_from_slice(ENTER);
                        painted.forget();
                        wanted = true;
                    }
                    Outside::Continued => console.resume(),
                    Outside::Signal(signal) => player.ending = Some(Ending::Signal(signal)),
                    Outside::Told(_) => {}
                },
                got = input.read_buf(&mut read) => match got {
                    Ok(n) if n > 0 => {
                        typed.extend_from_slice(&read.split());
                        player.input(&mut typed, false)?;
                        partial = (!typed.is_empty()).then(|| Instant::now() + SEQUENCE);
                        wanted = true;
                    }
                    _ => player.ending = Some(Ending::Hangup),
                },
                wrote = output.write(&pending), if !pending.is_empty() => match wrote {
                    Ok(n) if n > 0 => drop(pending.split_to(n.min(pending.len()))),
                    _ => player.ending = Some(Ending::Hangup),
                },
                record = history.next(), if player.loading => {
                    match record {
                        Ok(Some(record)) => player.film.record(&record)?,
                        Ok(None) => player.loaded()?,
                        Err(e) => {
                            player.loaded()?;
                            player.word = Some(e.to_string());
                        }
                    }
                    wanted = true;
                }
                () = sleep(wake) => {
                    if player.loading {
                        // What has come of it can be played.
                        player.film.flush()?;
                    }
                }
            }
        }
        Ok::<(), Error>(())
    }
    .await;
    let ending = player.ending.unwrap_or(Ending::Hangup);
    // What went wrong is told on the terminal as it was.
    if played.is_err() || ending != Ending::Hangup {
        leave(&mut output, b"").await;
    }
    played?;
    Ok((ending, player.interrupted))
}

impl Player {
    fn loaded(&mut self) -> Result<()> {
        self.loading = false;
        self.film.finish()
    }

    /// Takes what was typed, as far as it is whole; with `all` the rest too.
    fn input(&mut self, typed: &mut Vec<u8>, all: bool) -> Result<()> {
        let bytes = std::mem::take(typed);
        let mut rest = &bytes[..];
        while let Some((len, input)) = next(rest) {
            let alone = rest == b"\x1b";
            if alone && !all {
                break;
            }
            rest = rest.get(len..).unwrap_or_default();
            if let Input::Key(key) = input {
                self.key(key)?;
            }
        }
        if all && !rest.is_empty() {
            self.key(Chord::plain(Code::Escape))?;
        } else {
            typed.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Where it is by the clock.
    fn moment(&self, now: Instant) -> Duration {
        match self.playing {
            Some((since, from)) => from + now.saturating_duration_since(since).mul_f64(self.speed),
            None => self.reel.at,
        }
    }

    /// Shows what is due; whether anything changed.
    fn time(&mut self, now: Instant) -> Result<bool> {
        if self.playing.is_none() {
            return Ok(false);
        }
        let moment = self.moment(now);
        let end = self.film.end();
        if moment >= end && self.loading {
            // It plays as fast as it comes.
            self.film.flush()?;
            self.film.play(&mut self.reel, end)?;
            self.reel.at = end;
            self.playing = Some((now, end));
            return Ok(true);
        }
        let mut changed = self.film.play(&mut self.reel, moment.min(end))?;
        self.reel.at = moment.min(end);
        if moment >= end {
            self.playing = None;
            changed = true;
        }
        Ok(changed || now >= self.drawn + TICK)
    }

    /// When time alone changes something.
    fn wake(&mut self, now: Instant) -> io::Result<Option<Instant>> {
        if let Some(hunt) = &self.hunt {
            return Ok(Some(if hunt.waits { now + TICK } else { now }));
        }
        if self.playing.is_none() {
            return Ok(None);
        }
        let due = self.film.due(&mut self.reel)?;
        let wait = due.map_or(TICK, |due| {
            due.saturating_sub(self.reel.at).div_f64(self.speed)
        });
        Ok(Some(now + wait.clamp(FRAME, TICK)))
    }

    /// Looks further for what is searched; whether that is over.
    fn hunts(&mut self) -> Result<bool> {
        let Some(mut hunt) = self.hunt.take() else {
            return Ok(false);
        };
        let began = Instant::now();
        hunt.waits = false;
        while began.elapsed() < SLICE {
            if !self.film.creep(&mut hunt.reel)? {
                if self.loading {
                    hunt.waits = true;
                    break;
                }
                self.word = Some("not found".to_owned());
                return Ok(true);
            }
            let seen = count(&hunt.reel, &hunt.pattern);
            if seen > hunt.seen {
                self.reel = hunt.reel;
                self.playing = None;
                return Ok(true);
            }
            hunt.seen = seen;
        }
        self.hunt = Some(hunt);
        Ok(false)
    }

    fn compose(&mut self) -> Canvas {
        self.drawn = Instant::now();
        let mut canvas = Canvas::new(self.size);
        canvas.own();
        canvas.title(&format!("remote replay {}", self.title));
        let rows = self.size.rows.saturating_sub(1);
        let size = self.reel.screen.size();
        // Of a screen that is larger the upper left part is seen.
        let rect = Rect::new(0, 0, size.cols.min(self.size.cols), size.rows.min(rows));
        canvas.blit(&self.reel.screen, rect);
        if let Some(pattern) = &self.pattern {
            mark_found(&mut canvas, &self.reel, pattern, rect, self.theme);
        }
        self.bar(&mut canvas, rows);
        canvas
    }
}

/// Lines of the screen with it.
fn count(reel: &Reel, pattern: &Regex) -> usize {
    let text = reel.screen.text();
    text.iter().filter(|line| pattern.is_match(line)).count()
}

fn mark_found(canvas: &mut Canvas, reel: &Reel, pattern: &Regex, rect: Rect, theme: Theme) {
    use unicode_width::UnicodeWidthStr;
    let look = super::chrome::look(theme.chosen());
    for (line, y) in reel.screen.text().iter().zip(rect.y..rect.y + rect.h) {
        for found in pattern.find_iter(line).filter(|m| !m.is_empty()) {
            let width = |text: &str| u16::try_from(text.width()).unwrap_or(u16::MAX);
            let from = width(line.get(..found.start()).unwrap_or_default());
            let w = width(found.as_str()).min(rect.w.saturating_sub(from));
            canvas.relook(Rect::new(rect.x + from.min(rect.w), y, w, 1), look);
        }
    }
}
