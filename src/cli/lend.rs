//! `-A`: the SSH agent of this device for agents elsewhere, while somebody here is attached or follows.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::JoinHandle;

use super::Ctx;
use crate::client::Known;
use crate::client::attach::HostDial;
use crate::client::follow::Following;
use crate::client::lend::{Confirm, Lending};
use crate::error::{Error, Result};
use crate::ssh::Ask;

const SOCKET: &str = "SSH_AUTH_SOCK";

#[derive(Debug, Clone, Copy, Default, clap::Args)]
pub struct LendArgs {
    /// Let agents use your SSH agent's keys for as long as you are attached or follow
    ///
    /// They are asked for at one path, whoever is attached; without you they are refused. Nothing but lists of keys
    /// and signatures passes, and each signature is noted in signed.jsonl. `forward_agent` of the configuration does
    /// it without this flag.
    #[arg(long, short = 'A')]
    forward_agent: bool,
}

/// Lent until this is dropped.
pub struct Lent(JoinHandle<Option<Error>>);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Lent {
    /// What there is to be said of it, once the terminal is free.
    pub async fn end(mut self, ctx: &Ctx) {
        if self.0.is_finished()
            && let Ok(Some(why)) = (&mut self.0).await
        {
            ctx.ui.warn(format!("your SSH agent was not lent: {why}"));
            for hint in &why.hints {
                ctx.ui.hint(hint);
            }
        }
    }
}

impl LendArgs {
    /// Whether agents are to see what is lent.
    ///
    /// # Errors
    /// It is asked for, and there is no SSH agent here.
    pub fn wanted(self, ctx: &Ctx) -> Result<bool> {
        let configured = !matches!(ctx.config.text("forward_agent"), None | Some("no"));
        if self.forward_agent && socket().is_none() {
            return Err(Error::user("there is no SSH agent here to forward: SSH_AUTH_SOCK is not set")
                .hint("start one with `eval \"$(ssh-agent)\"`, give it your key with `ssh-add`, or leave out `-A`"));
        }
        Ok(self.forward_agent || configured)
    }

    /// Whether agents of a provider are to see it. Where they run on this machine they have its SSH agent in any case, and
    /// always: only who says so makes it theirs for a time.
    ///
    /// # Errors
    /// As [`LendArgs::wanted`].
    pub fn marks(self, ctx: &Ctx, provider: &str) -> Result<bool> {
        Ok(self.wanted(ctx)? && (self.forward_agent || provider != "local"))
    }

    fn lending(
        self,
        ctx: &Ctx,
        known: &Known,
        terminal: Option<Arc<dyn Ask>>,
    ) -> Result<Option<Arc<Lending>>> {
        let Some(socket) = socket() else {
            return self.wanted(ctx).map(|_| None);
        };
        if !self.wanted(ctx)? {
            return Ok(None);
        }
        let asks = ctx.config.text("forward_agent") == Some("ask");
        let confirm = asks.then(|| Confirm::new(terminal));
        let lending = Lending::new(&known.id, socket, confirm, &ctx.paths.state);
        Ok(Some(Arc::new(lending)))
    }

    /// While attached: the terminal is the agent's, and asks nothing.
    ///
    /// # Errors
    /// As [`LendArgs::wanted`].
    pub fn attached(self, ctx: &Ctx, known: &Known, dial: &HostDial) -> Result<Option<Lent>> {
        let lending = self.lending(ctx, known, None)?;
        let lent = lending.map(|l| Lent(tokio::spawn(l.attached(dial.connections()))));
        Ok(lent)
    }

    /// While lines are followed.
    ///
    /// # Errors
    /// As [`LendArgs::wanted`].
    pub fn following(self, ctx: &Ctx, following: &Following) -> Result<Option<Lent>> {
        let known = &following.known;
        let lending = self.lending(ctx, known, Some(following.hosts.ask()))?;
        let follow = |l: Arc<Lending>| l.following(following.hosts.clone(), known.clone());
        Ok(lending.map(|l| Lent(tokio::spawn(follow(l)))))
    }

    /// For who attaches: whether the agents look for what is lent.
    pub fn tell(self, ctx: &Ctx, known: &Known) {
        let seen = |k: &Known| {
            let agents = k.spec().map(|s| s.agents).unwrap_or_default();
            k.provider == "ec2" || agents.iter().any(|a| a.forward_agent)
        };
        if self.forward_agent && !seen(known) {
            ctx.ui.note(
                "Its agents were started without `-A`. What they run finds your SSH agent after \
                 `export SSH_AUTH_SOCK=\"${REMOTE_AGENT_SOCKET%/*}/ssh.sock\"`.",
            );
        }
    }
}

fn socket() -> Option<PathBuf> {
    let path = std::env::var_os(SOCKET).filter(|p| !p.is_empty())?;
    Some(PathBuf::from(path))
}
