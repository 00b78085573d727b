//! What we draw ourselves, and how it comes off again: banners, repaints from the mirror, the way out.

use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::io::AsyncWriteExt;

use super::super::mirror::SMALL;
use super::super::outlet::Kind;
use super::{Engine, LEAVE_TERMINAL, Lesson};
use crate::client::link::Event;
use crate::model::AgentState;
use crate::mux::{Overlay, psp};
use crate::proto::Form;

/// Output is over when nothing came for so long: the emulator may catch up, and a banner be drawn again.
const IDLE: Duration = Duration::from_millis(20);
const QUIET: Duration = Duration::from_millis(100);
/// Then the mirror may be taught what it missed.
const REST: Duration = Duration::from_millis(400);
/// The emulator is fed so much at once, so that a key never waits for long.
pub(super) const PORTION: usize = 128 * 1024;

impl Engine {
    /// All that is due between two events.
    pub(super) fn keep_house(&mut self) {
        self.stop_waiting();
        self.take_lessons();
        let now = self.mono();
        self.banner.tick(now);
        if !self.options.display || self.suspended {
            return;
        }
        self.take_off_guesses();
        self.take_off_banner(now);
        if !self.told.is_empty() && self.can_draw() {
            self.withdraw_guesses();
            let told = std::mem::take(&mut self.told);
            self.outlet.push(Kind::Own, told.into());
        }
        self.draw_banner(now);
        let behind = self.mirror.behind();
        if self.outlet.is_empty()
            && behind > 0
            && (behind <= SMALL || now >= self.last_write + IDLE)
        {
            self.mirror.catch_up(PORTION);
        }
        self.show_guesses(now);
        if self.wants_lesson() && now >= self.last_write + REST {
            self.lesson = Lesson::Asked;
            self.event(Event::Repaint);
        }
    }

    /// When to wake by time alone.
    pub(super) fn wake(&self) -> Option<Instant> {
        let now = self.mono();
        let idle =
            (self.mirror.behind() > 0 && self.outlet.is_empty()).then_some(self.last_write + IDLE);
        let quiet =
            (self.can_draw() && !self.banner.is_current(now)).then_some(self.last_write + QUIET);
        let lesson = self.wants_lesson().then_some(self.last_write + REST);
        let ours = [
            idle,
            quiet,
            lesson,
            self.banner.expires(),
            self.guesses_due(),
            self.facts_due(),
            self.flush_due(),
        ];
        let ours = ours.into_iter().flatten().min();
        // What is due and yet not done waits for something else: do not spin.
        let ours = ours.map(|at| at.max(now + Duration::from_millis(1)));
        let at = [ours, self.link.timer()].into_iter().flatten().min()?;
        self.began.checked_add(at)
    }

    fn wants_lesson(&self) -> bool {
        self.lesson == Lesson::None
            && !self.mirror.is_good()
            && self.options.display
            && self.outlet.is_empty()
            && self.link.is_attached()
            && self.link.view().is_some_and(|v| v.form == Form::Raw)
    }

    /// Repaints that are for the mirror alone never reach the terminal.
    fn take_lessons(&mut self) {
        while let Some((Kind::Silent, bytes)) = self.outlet.front() {
            let n = bytes.len();
            if let Some((_, bytes)) = self.outlet.take(n) {
                let begins = bytes.first() == Some(&0x18);
                self.mirror.learn(bytes, begins);
            }
            self.event(Event::Written(n));
        }
    }

    pub(super) fn can_draw(&self) -> bool {
        self.primed
            && self.options.display
            && !self.suspended
            && self.outlet.is_empty()
            && self.mirror.at_ground()
    }

    fn draw_banner(&mut self, now: Duration) {
        let due = now >= self.last_write + QUIET && !self.banner.is_current(now);
        if !due || !self.can_draw() || self.banner.wanted(now).is_none() {
            return;
        }
        self.withdraw_guesses();
        let cursor = self.mirror.screen().map(|s| s.cursor());
        let size = self.mirror.size();
        let bytes = self.banner.draw(now, size, cursor);
        self.outlet.push(Kind::Own, bytes.into());
        if cursor.is_none() {
            // Only the host can restore what is under it.
            self.heal = true;
            self.event(Event::Spoilt);
        }
    }

    /// Before the agent writes on, or when nothing is to be shown any more.
    fn take_off_banner(&mut self, now: Duration) {
        if !self.banner.is_drawn() {
            return;
        }
        let over = match self.outlet.front() {
            Some((Kind::Repaint, _)) => {
                self.banner.erased();
                self.heal = false;
                return;
            }
            Some((Kind::Own, _)) => false,
            Some(_) => true,
            None => self.banner.wanted(now).is_none(),
        };
        if !over {
            return;
        }
        self.banner.erased();
        if let Some(bytes) = self.restoring() {
            self.outlet.push_front(bytes);
        }
        if std::mem::take(&mut self.heal) {
            self.lesson = Lesson::None;
            self.event(Event::Repaint);
        }
    }

    /// Bytes that make the terminal show again what the mirror shows.
    fn restoring(&mut self) -> Option<Bytes> {
        self.mirror.screen().map(|s| s.repaint().into())
    }

    /// The whole screen again, by the host's word.
    pub(super) fn repaint(&mut self) {
        self.lesson = Lesson::None;
        self.event(Event::Repaint);
        if !self.link.is_attached() {
            self.show_again();
        }
    }

    /// The whole screen again, as we know it; by the host's word where we do not.
    pub(super) fn show_again(&mut self) {
        self.banner.erased();
        self.predictor.forget();
        match self.restoring() {
            Some(bytes) => {
                self.guessed = Overlay::default();
                self.outlet.push_over(bytes);
            }
            None => {
                self.lesson = Lesson::None;
                self.event(Event::Repaint);
            }
        }
    }

    /// Bytes that move what the terminal shows up into its scrollback, so that it is not painted over.
    pub(super) fn pushing_up(&self) -> Bytes {
        if !self.options.display {
            return Bytes::new();
        }
        let lines = usize::from(self.options.size.rows.max(1) - 1);
        let mut bytes = b"\r".to_vec();
        bytes.resize(lines + 1, b'\n');
        bytes.into()
    }

    /// Hands the terminal back to the shell for a while.
    pub(super) async fn suspend(&mut self) {
        if !self.options.keyboard || self.suspended {
            return;
        }
        let bytes = self.last_bytes(false);
        let put_back = async {
            self.output.write_all(&bytes).await?;
            self.output.flush().await
        };
        // A terminal that takes nothing keeps its modes; the shell's `reset` is the remedy.
        let _ = tokio::time::timeout(LEAVE_TERMINAL, put_back).await;
        self.banner.erased();
        if self.console.suspend() {
            self.suspended = true;
        } else {
            self.notice("there is no shell here to come back from".into());
            self.show_again();
        }
    }

    /// Whoever has left hears no more of the agent: its last state would stand in the terminal for ever.
    fn forget_states(&self) -> Vec<u8> {
        let shows = self.options.terminal.program_status == Some(true);
        match &self.agent {
            Some(agent) if shows => {
                let id = format!("{}/{}", self.options.session, agent.number);
                psp::encode(&id, AgentState::Unknown, None, None)
            }
            _ => Vec::new(),
        }
    }

    /// What puts the terminal back for whoever has it next; `forget` where the agent goes on without us.
    pub(super) fn last_bytes(&mut self, forget: bool) -> Bytes {
        if !self.options.display || !self.primed || self.suspended || self.options.pane {
            return Bytes::new();
        }
        let mut bytes = self.without_guesses();
        if self.banner.is_drawn()
            && let Some(restoring) = self.restoring()
        {
            bytes.extend_from_slice(&restoring);
        }
        bytes.extend_from_slice(&self.mirror.leave());
        if forget {
            bytes.extend_from_slice(&self.forget_states());
        }
        bytes.into()
    }
}
