//! Whether an answer was taken. A program may drop keys that come soon after it has drawn a question, or after it was
//! held up, and nothing shows that it did: whoever answered must not be told that all is well. So the question is
//! looked at until it has gone; and where the program is known to drop keys, has read this one and sleeps before the
//! same question, the answer is typed once more.

use std::time::Duration;

use tokio::sync::oneshot;

use super::Agent;
use crate::host::processes;
use crate::host::state::rules::Part;
use crate::model::{Millis, now_ms};
use crate::proto::{Question, WireError};

/// Between two looks at the screen.
const LOOK: Duration = Duration::from_millis(100);
/// A question that is not there for so long has gone: a frame that is being drawn may lack it.
const GONE: Duration = Duration::from_millis(250);
/// Nothing of a program that sleeps so long after it has read a key is still to come.
const RESTS: Duration = Duration::from_millis(600);
/// CPU time that a program before a question may use in that while, in ticks of 10 ms: its cursor blinks.
const BLINKS: u64 = 3;
/// Typed again so often.
const AGAIN: u32 = 4;
/// An answer after which the same question stands so long was not taken, as far as can be seen.
const LONG: Duration = Duration::from_secs(5);
/// The same for a program that is at work, or has not read it: it may be slow.
const LONGEST: Duration = Duration::from_secs(20);

/// What became of an answer.
#[derive(Debug)]
pub enum Answered {
    Typed,
    /// Not typed: this is asked.
    Another(Box<Question>),
    /// Typed, and this is still asked.
    Untaken(Box<Question>),
}

/// An answer that was typed.
#[derive(Debug)]
pub struct Given {
    /// What was on the screen then.
    part: Part,
    text: String,
    keys: Vec<String>,
    /// When, by the belief's clock: another time there means that somebody else has typed since.
    typed: Option<Millis>,
    since: Duration,
    look: Duration,
    gone: Option<Duration>,
    /// Since when the program sleeps, with the CPU time that it had used by then.
    rests: Option<(Duration, u64)>,
    again: u32,
    done: oneshot::Sender<Result<Answered, WireError>>,
}

impl Given {
    pub fn new(
        part: Part,
        text: String,
        keys: Vec<String>,
        typed: Option<Millis>,
        done: oneshot::Sender<Result<Answered, WireError>>,
        now: Duration,
    ) -> Self {
        Self {
            part,
            text,
            keys,
            typed,
            since: now,
            look: now.saturating_add(LOOK),
            gone: None,
            rests: None,
            again: 0,
            done,
        }
    }
}

impl Agent {
    /// Looks what becomes of an answer; when to look again.
    pub(super) fn watch_answer(&mut self, now: Duration) -> Option<Duration> {
        let mut given = self.given.take()?;
        if given.done.is_closed() {
            return None;
        }
        if !self.process.is_live() {
            let _ = given.done.send(Ok(Answered::Typed));
            return None;
        }
        if now >= given.look {
            given.look = now.saturating_add(LOOK);
            let drawing = self.output.screen.synchronized();
            if drawing || self.output.book().part(&self.output.view()).lines == given.part.lines {
                given.gone = None;
                given.rests = self.rest(&given, now);
                let rests = given
                    .rests
                    .is_some_and(|(since, _)| now.saturating_sub(since) >= RESTS);
                if rests && given.part.drops && given.again < AGAIN {
                    given.again += 1;
                    given.rests = None;
                    let (text, keys) = (given.text.clone(), given.keys.clone());
                    if self.send(&text, &keys).is_ok() {
                        given.typed = self.belief.last_typed();
                        self.output.mark("answered again", now_ms());
                    }
                } else {
                    let long = if rests { LONG } else { LONGEST };
                    if now.saturating_sub(given.since) >= long {
                        self.given = Some(given);
                        self.untaken();
                        return None;
                    }
                }
            } else if now.saturating_sub(*given.gone.get_or_insert(now)) >= GONE {
                let _ = given.done.send(Ok(Answered::Typed));
                return None;
            }
        }
        let look = given.look;
        self.given = Some(given);
        Some(look)
    }

    /// Whoever waits for what becomes of an answer hears that the question is still there.
    pub(super) fn untaken(&mut self) {
        if let Some(given) = self.given.take() {
            let asked = Box::new(self.question());
            let _ = given.done.send(Ok(Answered::Untaken(asked)));
        }
    }

    /// Since when the program, which has read all that was typed, sleeps; nothing where it does not, or where
    /// somebody else has typed since.
    fn rest(&self, given: &Given, now: Duration) -> Option<(Duration, u64)> {
        let pty = self.process.pty()?;
        if self.process.has_typed()
            || self.belief.last_typed() != given.typed
            || pty.unread() != Some(0)
        {
            return None;
        }
        let used = processes::asleep(pty.foreground()?)?;
        match given.rests {
            Some((since, before)) if used <= before.saturating_add(BLINKS) => Some((since, before)),
            _ => Some((now, used)),
        }
    }
}
