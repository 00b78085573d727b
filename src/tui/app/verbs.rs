//! What is done to sessions is done by this program's own verbs, in a pane over the others: what they say,
//! ask and refuse is seen, and nothing is done in two ways.

use tempfile::TempPath;

use super::super::line::Line;
use super::super::pane::{Life, Source};
use super::{App, Popup, Then};
use crate::model::{SessionId, Size};
use crate::mux::layout::{PaneId, Rect};

impl App {
    fn verb(&mut self, title: String, args: &[&str], then: Then) {
        self.close_popup();
        let mut argv = vec![self.exe.display().to_string()];
        argv.extend(args.iter().map(|arg| (*arg).to_owned()));
        let source = Source::Local { argv, cwd: None };
        self.over_panes(source, title, then, None);
    }

    /// An editor or a pager on a file, over the whole screen.
    pub(super) fn over_all(&mut self, argv: Vec<String>, file: TempPath) {
        self.close_popup();
        let source = Source::Local { argv, cwd: None };
        self.over_panes(source, String::new(), Then::Nothing, Some(file));
    }

    fn over_panes(&mut self, source: Source, title: String, then: Then, file: Option<TempPath>) {
        let inner = self.popup_inner(file.is_some());
        let size = Size {
            cols: inner.w,
            rows: inner.h,
        };
        let pane = self.start(source, size);
        self.popup = Some(Popup {
            pane,
            title,
            then,
            file,
        });
    }

    /// Where what is over the panes has its screen.
    pub(super) fn popup_inner(&self, whole: bool) -> Rect {
        match whole {
            true => Rect::new(0, 0, self.size.cols, self.size.rows),
            false => self.popup_place().inner(),
        }
    }

    /// Where a verb is shown, with its frame.
    pub(super) fn popup_place(&self) -> Rect {
        let screen = Rect::new(0, 0, self.size.cols, self.size.rows);
        let part = |of: u16, least: u16| (of / 10 * 8).max(least).min(of);
        screen.middle(part(self.size.cols, 60), part(self.size.rows, 14))
    }

    /// The typed task goes to a machine.
    pub(super) fn dispatch(&mut self) {
        let task = self.home.task.take();
        let title = format!("dispatch: {task}");
        // What begins with a dash is a task too.
        let argument = format!("--task={task}");
        self.verb(
            title,
            &["dispatch", "--detach", &argument],
            Then::Open(task),
        );
    }

    pub(super) fn about_agent(&mut self, verb: &str, one: bool) {
        let Some((session, agent)) = self.agent() else {
            return self.no_agent();
        };
        let target = match one {
            true => format!("{session}/{agent}"),
            false => session.to_string(),
        };
        self.verb(format!("{verb} {target}"), &[verb, &target], Then::Nothing);
    }

    pub(super) fn extend(&mut self, session: &SessionId, time: &str) {
        let id = session.as_str();
        let title = format!("extend {id} by {time}");
        self.verb(title, &["extend", id, time], Then::Nothing);
    }

    /// A rented machine that is gone is made anew; elsewhere the host is started again, where it must be.
    pub(super) fn restart(&mut self, session: &SessionId, agent: u32, pane: Option<PaneId>) {
        let then = pane.map_or(Then::Nothing, Then::Reopen);
        let known = self.registry.get(session);
        if known.is_some_and(|k| k.provider == "ec2" && !k.live) {
            let id = session.as_str();
            return self.verb(format!("resume {id}"), &["resume", id], then);
        }
        let target = format!("{session}/{agent}");
        self.verb(format!("restart {target}"), &["restart", &target], then);
    }

    /// A verb is through. One that went well and has something to follow makes room for it.
    pub(super) fn verb_over(&mut self, life: &Life) {
        let Some(popup) = &self.popup else {
            return;
        };
        let well = matches!(life, Life::Ended { code: 0, .. });
        if well && popup.file.is_some() {
            return self.close_popup();
        }
        let then = popup.then.clone();
        let said = self
            .panes
            .get(&popup.pane)
            .map(|p| p.shown().screen.text().join("\n"));
        match then {
            Then::Open(task) if !well => self.home.task = Line::new(&task),
            Then::Open(_) => {
                if let Some(session) = said.as_deref().and_then(session_in) {
                    self.close_popup();
                    self.open_agent(session, 1);
                }
            }
            Then::Reopen(pane) if well => {
                self.close_popup();
                self.reopen(pane);
            }
            _ => {}
        }
        // What it shows may have begun anew.
        let preview = self
            .home
            .preview
            .as_ref()
            .and_then(|(_, id)| self.panes.get(id));
        if well && preview.is_some_and(|p| p.shown().life.is_over()) {
            self.drop_preview();
        }
    }

    pub(super) fn close_popup(&mut self) {
        if let Some(popup) = self.popup.take() {
            self.reads.forget(popup.pane);
            self.panes.remove(&popup.pane);
        }
    }
}

/// The last session that is named in a text.
fn session_in(text: &str) -> Option<SessionId> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    words.rev().find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_that_began_is_found_in_what_was_said() {
        let text = "  local   session-abc234\nsession-def567\nIts branches: `remote pull def567`";
        assert_eq!(
            session_in(text).map(|s| s.to_string()).as_deref(),
            Some("session-def567")
        );
        assert_eq!(session_in("nothing here"), None);
    }
}
