//! Results that come by themselves, as far as a person notices: a line for each agent whose are new, and never into
//! the middle of a screen that is an agent's.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::target::interrupted;
use super::{Ctx, Ui, pull};
use crate::client::reach::Hosts;
use crate::client::repo::Pulls;
use crate::client::repo::auto::{AutoPull, Told};
use crate::client::repo::pull::Pulled;
use crate::client::unpulled::safe;
use crate::client::{Known, Registry};
use crate::config::Paths;
use crate::model::SessionId;
use crate::repo::Repository;
use crate::ssh::{Flow, Nobody};

/// Pulls in the background until it is finished or dropped.
pub struct Auto {
    ui: Ui,
    session: SessionId,
    told: mpsc::UnboundedReceiver<Told>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<bool>,
    paths: Paths,
    registry: Registry,
}

impl Auto {
    /// Begins, where it is wanted; whether one stands in a repository is looked up behind whatever comes next.
    pub fn begin(ctx: &Ctx, known: &Known) -> Option<Self> {
        if !ctx.config.auto_pull() {
            return None;
        }
        let dir = std::env::current_dir().ok()?;
        let registry = Registry::open(&ctx.paths).ok()?;
        let pulls = Pulls::new(&ctx.paths);
        let (tell, told) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let session = known.id.clone();
        let known = known.clone();
        let auto_registry = registry.clone();
        let task = async move {
            // What is wrong with it, `pull` says.
            let Ok(Some(here)) = Repository::find(&dir).await else {
                return false;
            };
            let auto = AutoPull {
                registry: auto_registry,
                known,
                // The terminal may be an agent's.
                hosts: Arc::new(Hosts::new(Arc::new(Nobody), Flow::Bulk)),
                here,
                pulls,
            };
            auto.run(tell, stopped).await
        };
        Some(Self {
            ui: ctx.ui,
            session,
            told,
            stop,
            task: tokio::spawn(task),
            paths: ctx.paths.clone(),
            registry,
        })
    }

    /// Says what comes as it comes; never ends. Cancel-safe.
    pub async fn say(&mut self) {
        while let Some(told) = self.told.recv().await {
            self.tell(&told);
        }
        std::future::pending().await
    }

    /// Says what came, after what is still to come; Ctrl-C leaves that. True where all that there is was pulled.
    pub async fn finish(mut self) -> bool {
        let session = self.session.clone();
        // Where the task is gone it has told all.
        let (stop, _) = oneshot::channel();
        let _ = std::mem::replace(&mut self.stop, stop).send(());
        let stage = self.ui.stage("pull");
        let all = async {
            let mut all = Vec::new();
            while let Some(told) = self.told.recv().await {
                all.push(told);
            }
            (all, (&mut self.task).await.unwrap_or(false))
        };
        let done = tokio::select! {
            done = all => Some(done),
            () = interrupted() => None,
        };
        drop(stage);
        let Some((told, whole)) = done else {
            let again = format!("remote pull {}", session.short());
            self.ui.hint(format!("not all was pulled: `{again}`"));
            return true;
        };
        let failed = told.iter().any(|t| matches!(t, Told::Failed(..)));
        told.iter().for_each(|t| self.tell(t));
        // Only what this very run has brought is a reason.
        let all = |t: &Told| matches!(t, Told::Pulled(p) if p.safe && p.over);
        if whole && told.iter().any(all) {
            let kept = safe(&self.paths, &self.registry, &session, Arc::new(Nobody));
            if let Err(e) = kept.await {
                let stays = "its work volume stays after its machine's end";
                self.ui.warn(format!("{stays}: {e}"));
            }
        }
        whole && !failed
    }

    fn tell(&self, told: &Told) {
        match told {
            Told::Pulled(pulled) => say(self.ui, pulled),
            Told::Failed(agent, e) => {
                let name = match agent {
                    Some(agent) => format!("{}/{agent}", self.session),
                    None => self.session.to_string(),
                };
                self.ui.warn(format!("{name} was not pulled: {e}"));
                e.hints.iter().for_each(|hint| self.ui.hint(hint));
                let again = format!("remote pull {}", self.session.short());
                self.ui.hint(format!("to try again: `{again}`"));
            }
        }
    }
}

impl Drop for Auto {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn say(ui: Ui, pulled: &Pulled) {
    for agent in pulled.agents.iter().filter(|a| a.new) {
        ui.note(format!("  pull      {}", pull::line(pulled, agent)));
        if let Some(hint) = pull::hint(pulled, agent) {
            ui.hint(hint);
        }
    }
    pulled.warnings.iter().for_each(|w| ui.warn(w));
}
