//! What verbs that follow sessions tell beside what they show, by the rules of the configuration.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::target::person;
use super::{Ctx, Ui};
use crate::client::attach::{HostDial, Outside};
use crate::client::follow::Following;
use crate::client::notices::{self, Teller, Told, follow, for_host};
use crate::client::status::Report;
use crate::client::{HostConn, Known};
use crate::error::Error;
use crate::model::SessionId;

/// Beside an attachment: what is for the terminal goes there between the agent's own sequences.
pub struct Attended {
    told: Told,
    rest: JoinHandle<Vec<u8>>,
}

impl Attended {
    /// `None` where nothing is to be told. `began`: the agent was started for this.
    pub fn attach(
        ctx: &Ctx,
        (agent, began): (u32, bool),
        dial: &Arc<HostDial>,
        display: bool,
        terminal: mpsc::Sender<Outside>,
    ) -> Option<Self> {
        let mut teller = Teller::new(&ctx.paths, &ctx.config, display)?;
        if began {
            teller = teller.began(&[agent]);
        }
        let given_up = dial.given_up();
        let dial = dial.clone();
        let open = move || {
            let dial = dial.clone();
            async move { dial.control().await }
        };
        let (told, mut bytes) = follow(teller, &[agent], given_up, open);
        let rest = tokio::spawn(async move {
            let mut rest = Vec::new();
            while let Some(bytes) = bytes.recv().await {
                if let Err(left) = terminal.send(Outside::Told(bytes)).await
                    && let Outside::Told(bytes) = left.0
                {
                    rest.extend(bytes);
                }
            }
            rest
        });
        Some(Self { told, rest })
    }

    /// The terminal is ours again.
    pub async fn finish(self, ctx: &Ctx, over: bool) {
        self.told.finish(over).await;
        if let Ok(rest) = self.rest.await {
            to_terminal(&ctx.ui, &rest);
        }
    }
}

/// Beside agents' lines.
pub struct Followed(Option<(Told, mpsc::Receiver<Vec<u8>>)>);

impl Followed {
    pub fn new(ctx: &Ctx, following: &Following, agents: &[u32]) -> Self {
        let Some(teller) = Teller::new(&ctx.paths, &ctx.config, has_terminal(&ctx.ui)) else {
            return Self(None);
        };
        let teller = teller.began(agents);
        let (hosts, known) = (following.hosts.clone(), following.known.clone());
        let open = move || {
            let (hosts, known) = (hosts.clone(), known.clone());
            async move { hosts.reach(&known).await?.control().await }
        };
        // Whoever asks for another connection finds that this one is closed.
        let never = watch::channel(0).1;
        Self(Some(follow(teller, agents, never, open)))
    }

    /// Bytes for the terminal. Cancel-safe.
    pub async fn next(&mut self) -> Vec<u8> {
        let next = match &mut self.0 {
            Some((_, bytes)) => bytes.recv().await,
            None => None,
        };
        match next {
            Some(next) => next,
            None => std::future::pending().await,
        }
    }

    pub fn tell(&self, ui: &Ui, bytes: &[u8]) {
        to_terminal(ui, bytes);
    }

    /// The agents are over.
    pub async fn finish(self, ui: &Ui) {
        if let Some((told, mut bytes)) = self.0 {
            told.finish(true).await;
            while let Some(next) = bytes.recv().await {
                to_terminal(ui, &next);
            }
        }
    }
}

/// Beside `status --watch`.
#[derive(Default)]
pub struct Watched(BTreeMap<SessionId, Option<Teller>>);

impl Watched {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn see(&mut self, ctx: &Ctx, report: &Report) {
        let Some(status) = &report.status else {
            return;
        };
        let new = || Teller::new(&ctx.paths, &ctx.config, has_terminal(&ctx.ui));
        let teller = self.0.entry(report.session.clone()).or_insert_with(new);
        if let Some(teller) = teller {
            to_terminal(&ctx.ui, &teller.see(status));
        }
    }

    pub fn tick(&mut self, ctx: &Ctx) {
        for teller in self.0.values_mut().flatten() {
            to_terminal(&ctx.ui, &teller.tick());
        }
    }
}

/// One that knows sequences.
fn has_terminal(ui: &Ui) -> bool {
    let plain = std::env::var("TERM").is_ok_and(|term| !matches!(term.as_str(), "" | "dumb"));
    plain && (ui.out_is_terminal() || ui.err_is_terminal())
}

/// Whichever of the two streams is the terminal. What cannot be told is not worth an error.
fn to_terminal(ui: &Ui, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if ui.out_is_terminal() {
        let _ = ui.raw(bytes);
    } else {
        let _ = std::io::stderr().write_all(bytes);
    }
}

/// Gives a new session's host the rules that it is to follow itself, if there are any. One that cannot be given is
/// said, and no reason to give up a session that runs.
pub async fn hand_over(ctx: &Ctx, known: &Known, host: Option<&HostConn>) {
    let given = notices::hand_over(for_host(&ctx.config), known, host, person(ctx));
    if let Err(why) = given.await {
        ctx.ui.warn(not_given(known, &why));
        why.hints.into_iter().for_each(|hint| ctx.ui.hint(hint));
    }
}

/// What is lost with that.
pub fn not_given(known: &Known, why: &Error) -> String {
    let label = known.label();
    format!("{label}: its host sends no webhook and runs no command of `[[notify]]`: {why}")
}
