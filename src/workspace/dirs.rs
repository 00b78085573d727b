//! Workspaces as directories: on this machine, and on one of one's own, where `remote host workspace` is asked what is
//! asked here. The same words as for volumes; a size is written down, and nothing enforces it.

mod making;
mod read;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::{Files, Name, NewSnapshot, NewWorkspace, Snapshot, Volumes, Workspace, WorkspaceError};
use crate::config::Paths;
use crate::model::SessionId;
use crate::provision::{BoxFuture, SshHost, Steps};
use read::{Far, Here};
use store::Store;
pub use wire::{Answer, Ask, answer};

type Result<T, E = WorkspaceError> = std::result::Result<T, E>;

/// The directories of one machine.
pub struct Dirs {
    machine: Machine,
    /// `local`, `me@box`
    place: String,
}

/// Where they are.
#[derive(Clone)]
enum Machine {
    Here(Store),
    There(Arc<SshHost>),
}

impl Dirs {
    /// This machine's.
    pub fn here(paths: &Paths) -> Self {
        Self {
            machine: Machine::Here(Store::new(paths)),
            place: "local".to_owned(),
        }
    }

    /// Another machine's; `place` is what one would type after `ssh`.
    pub fn there(host: Arc<SshHost>, place: &str) -> Self {
        Self {
            machine: Machine::There(host),
            place: place.to_owned(),
        }
    }

    /// `local`, `me@box`
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Gives a workspace to a session, before that begins; returns where its files lie on that machine.
    ///
    /// # Errors
    /// [`WorkspaceError::InUse`] where another live session has it; there is none; or the machine's own.
    pub async fn hold(&self, name: &Name, session: &SessionId) -> Result<PathBuf> {
        let (name, session) = (name.clone(), session.clone());
        self.ask(Ask::Hold { name, session }, &|_| {}).await
    }

    /// The session is done with it, or never began; that of another session stays with that.
    ///
    /// # Errors
    /// There is none; or the machine's own.
    pub async fn release(&self, name: &Name, session: &SessionId) -> Result<Workspace> {
        let (name, session) = (name.clone(), session.clone());
        let released = self.ask(Ask::Release { name, session }, &|_| {}).await?;
        Ok(self.placed(released))
    }

    async fn ask<T: DeserializeOwned>(&self, ask: Ask, steps: Steps<'_>) -> Result<T> {
        let answer = match &self.machine {
            Machine::Here(store) => {
                let store = store.clone();
                let answered = tokio::task::spawn_blocking(move || wire::of(&store, &ask));
                answered
                    .await
                    .map_err(|e| WorkspaceError::Refused(format!("the work was given up: {e}")))?
            }
            Machine::There(host) => wire::over(host, &ask, steps).await?,
        };
        wire::open(answer, &self.place)
    }

    fn placed(&self, workspace: Workspace) -> Workspace {
        Workspace {
            place: self.place.clone(),
            ..workspace
        }
    }
}

impl Volumes for Dirs {
    fn create<'a>(
        &'a self,
        new: &'a NewWorkspace,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Workspace>> {
        Box::pin(async move {
            steps(match new.from {
                Some(_) => "copy",
                None => "create",
            });
            let made = self.ask(Ask::Create(new.clone()), steps).await?;
            Ok(self.placed(made))
        })
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Workspace>>> {
        Box::pin(async move {
            let all: Vec<Workspace> = self.ask(Ask::List, &|_| {}).await?;
            Ok(all.into_iter().map(|w| self.placed(w)).collect())
        })
    }

    fn resize<'a>(
        &'a self,
        workspace: &'a Workspace,
        gib: u32,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Workspace>> {
        Box::pin(async move {
            let name = workspace.name.clone();
            let resized = self.ask(Ask::Resize { name, gib }, steps).await?;
            Ok(self.placed(resized))
        })
    }

    fn delete<'a>(&'a self, workspace: &'a Workspace) -> BoxFuture<'a, Result<()>> {
        let (name, id) = (workspace.name.clone(), workspace.id.clone());
        Box::pin(async move { self.ask(Ask::Delete { name, id }, &|_| {}).await })
    }

    fn snapshot<'a>(
        &'a self,
        workspace: &'a Workspace,
        new: &'a NewSnapshot,
    ) -> BoxFuture<'a, Result<Snapshot>> {
        let (name, new) = (workspace.name.clone(), new.clone());
        Box::pin(async move { self.ask(Ask::Snapshot { name, new }, &|_| {}).await })
    }

    fn snapshots(&self) -> BoxFuture<'_, Result<Vec<Snapshot>>> {
        Box::pin(async move { self.ask(Ask::Snapshots, &|_| {}).await })
    }

    fn delete_snapshot<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<()>> {
        let (id, workspace) = (snapshot.id.clone(), snapshot.workspace.clone());
        Box::pin(async move {
            self.ask(Ask::DeleteSnapshot { id, workspace }, &|_| {})
                .await
        })
    }

    fn open<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn Files>>> {
        Box::pin(async move {
            match &self.machine {
                Machine::Here(store) => {
                    let root = store.snapshot_files(&snapshot.id)?;
                    Ok(Box::new(Here::new(root)) as Box<dyn Files>)
                }
                Machine::There(host) => {
                    // That it is there is known now, and not with the first file.
                    let far = Far::new(host.clone(), &snapshot.id, &self.place);
                    far.check(steps).await?;
                    Ok(Box::new(far) as Box<dyn Files>)
                }
            }
        })
    }
}
