//! What keys do: asciinema's and less's where these have them.

use std::time::{Duration, Instant};

use regex::{Regex, RegexBuilder};

use super::super::line::Line;
use super::{Ending, Hunt, Player, count};
use crate::config::{Chord, Code};
use crate::error::Result;
use crate::model::Search;

/// How far the arrows go.
const STEP: Duration = Duration::from_secs(5);
/// And with Shift, and PageUp and PageDown.
const LEAP: Duration = Duration::from_secs(60);
pub(super) const SLOWEST: f64 = 1.0 / 16.0;
pub(super) const FASTEST: f64 = 1024.0;

/// A pattern while it is typed.
pub struct Typing {
    pub line: Line,
    /// It played before.
    playing: bool,
}

impl Player {
    pub(super) fn key(&mut self, key: Chord) -> Result<()> {
        self.word = None;
        if key == Chord::ctrl('c') && self.typing.is_none() {
            self.interrupted = true;
            self.ending = Some(Ending::Left { panes: 0 });
            return Ok(());
        }
        if self.typing.is_some() {
            return self.type_key(key);
        }
        if self.hunt.is_some() {
            // Any key ends it.
            self.hunt = None;
            return Ok(());
        }
        let at = self.moment(Instant::now());
        match (key.code, key.ctrl) {
            (Code::Char('q'), false) => self.ending = Some(Ending::Left { panes: 0 }),
            (Code::Char(' '), _) => self.pause(),
            (Code::Left, _) if key.shift => self.go(at.saturating_sub(LEAP))?,
            (Code::Right, _) if key.shift => self.go(at + LEAP)?,
            (Code::Left | Code::Char('h'), false) => self.go(at.saturating_sub(STEP))?,
            (Code::Right | Code::Char('l'), false) => self.go(at + STEP)?,
            (Code::PageUp, _) => self.go(at.saturating_sub(LEAP))?,
            (Code::PageDown, _) => self.go(at + LEAP)?,
            (Code::Char('<'), _) => self.pace(0.5),
            (Code::Char('>'), _) => self.pace(2.0),
            (Code::Char('.'), _) => self.frame(true)?,
            (Code::Char(','), _) => self.frame(false)?,
            (Code::Char(']'), _) => self.mark(true)?,
            (Code::Char('['), _) => self.mark(false)?,
            (Code::Char('g') | Code::Home, false) => self.go(Duration::ZERO)?,
            (Code::Char('G') | Code::End, false) => self.go(self.film.end())?,
            (Code::Char(c @ '0'..='9'), false) => {
                let tenths = c.to_digit(10).unwrap_or(0);
                self.go(self.film.end() * tenths / 10)?;
            }
            (Code::Char('/'), _) => {
                self.typing = Some(Typing {
                    line: Line::default(),
                    playing: self.playing.is_some(),
                });
                self.stop();
            }
            (Code::Char('n'), false) => match self.pattern.clone() {
                Some(pattern) => self.look(pattern)?,
                None => self.word = Some("nothing was searched for yet".to_owned()),
            },
            (Code::Escape, _) => self.pattern = None,
            _ => {}
        }
        Ok(())
    }

    fn type_key(&mut self, key: Chord) -> Result<()> {
        let Some(mut typing) = self.typing.take() else {
            return Ok(());
        };
        let given_up = key.code == Code::Escape
            || key == Chord::ctrl('c')
            || (key.code == Code::Backspace && typing.line.is_empty());
        if given_up {
            if typing.playing {
                self.pause();
            }
            return Ok(());
        }
        if key.code != Code::Enter {
            typing.line.key(key);
            self.typing = Some(typing);
            return Ok(());
        }
        let text = typing.line.text();
        match (text.is_empty(), self.pattern.clone()) {
            (true, Some(pattern)) => self.look(pattern),
            (true, None) => Ok(()),
            (false, _) => match pattern(&text) {
                Ok(pattern) => self.look(pattern),
                Err(e) => {
                    self.word = Some(e);
                    Ok(())
                }
            },
        }
    }

    fn pause(&mut self) {
        match self.playing.take() {
            Some(playing) => {
                self.playing = Some(playing);
                self.stop();
            }
            None if self.reel.at >= self.film.end() && !self.loading => {
                self.word = Some("this is the end: g begins anew".to_owned());
            }
            None => self.playing = Some((Instant::now(), self.reel.at)),
        }
    }

    fn stop(&mut self) {
        self.reel.at = self.moment(Instant::now()).min(self.film.end());
        self.playing = None;
    }

    /// Goes to a moment; it plays on from there where it played.
    fn go(&mut self, to: Duration) -> Result<()> {
        self.film.flush()?;
        let to = to.min(self.film.end());
        self.reel = self.film.seek(to)?;
        let from = self.playing.is_some();
        self.playing = from.then(|| (Instant::now(), to));
        Ok(())
    }

    fn pace(&mut self, factor: f64) {
        let now = Instant::now();
        let at = self.moment(now);
        self.speed = (self.speed * factor).clamp(SLOWEST, FASTEST);
        if let Some(playing) = &mut self.playing {
            *playing = (now, at);
        }
    }

    /// To what was shown next, or before; paused.
    fn frame(&mut self, forward: bool) -> Result<()> {
        self.film.flush()?;
        self.stop();
        if !forward {
            // What stands here came now or earlier; before that is the one before.
            let here = self.film.before(self.reel.at + Duration::from_micros(1))?;
            let to = self.film.before(here)?;
            return self.go(to);
        }
        if let Some(due) = self.film.due(&mut self.reel)? {
            self.film.play(&mut self.reel, due)?;
            self.reel.at = due;
        }
        Ok(())
    }

    /// To the next mark, or the one before.
    fn mark(&mut self, forward: bool) -> Result<()> {
        let at = self.moment(Instant::now()).min(self.film.end());
        let mut marks = self.film.marks().iter().map(|m| m.at);
        let to = match forward {
            true => marks.find(|m| *m > at),
            // While it plays, one that has just been gone to is not the one before.
            false => marks.rfind(|m| *m + Duration::from_millis(500) < at),
        };
        match to {
            Some(to) => self.go(to),
            None => {
                self.word = Some("there is no further mark".to_owned());
                Ok(())
            }
        }
    }

    /// Looks for a pattern from here on.
    fn look(&mut self, pattern: Regex) -> Result<()> {
        self.film.flush()?;
        self.stop();
        let reel = self.reel.copy();
        self.pattern = Some(pattern.clone());
        self.hunt = Some(Hunt {
            seen: count(&reel, &pattern),
            pattern,
            reel,
            waits: false,
        });
        Ok(())
    }
}

fn pattern(text: &str) -> std::result::Result<Regex, String> {
    let build = |text: &str| {
        RegexBuilder::new(text)
            .case_insensitive(Search::is_small(text))
            .size_limit(1 << 20)
            .build()
    };
    build(text)
        .or_else(|_| build(&regex::escape(text)))
        .map_err(|_| "this is no pattern".to_owned())
}
