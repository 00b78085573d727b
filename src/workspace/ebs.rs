//! Workspaces on EC2: an EBS volume each, known by its tags. It has no session's tag, so that nothing that cleans up
//! after sessions can ever reach it; each deletion looks once more whether the thing is what it was taken for.

mod change;
mod create;
mod free;
mod moving;
mod read;
mod seed;
mod snapshots;

pub use moving::Moved;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{
    Files, Name, NewSnapshot, NewWorkspace, Snapshot, Volumes, Workspace, WorkspaceError, direct,
};
use crate::provision::ec2::calls::{Calls, filter, tagged};
use crate::provision::ec2::tags::{OWNER, WORKSPACE, clean};
use crate::provision::ec2::{AwsClass, AwsError, Ec2, Storage};
use crate::provision::{BoxFuture, Steps};
use read::Found;

type Result<T, E = WorkspaceError> = std::result::Result<T, E>;

/// How often is looked at what takes its time.
const PAUSE: Duration = Duration::from_millis(700);
/// How often a call is tried whose answer was lost.
const TRIES: usize = 3;

/// The workspaces of one owner in one region.
pub struct Ebs {
    ec2: Arc<Ec2>,
    /// Where what is read of snapshots is kept meanwhile.
    cache: Option<PathBuf>,
}

impl Ebs {
    pub fn new(ec2: Arc<Ec2>) -> Self {
        Self { ec2, cache: None }
    }

    /// With a directory where what is read of snapshots is kept meanwhile: [`Volumes::open`] needs one.
    #[must_use]
    pub fn with_cache(self, cache: PathBuf) -> Self {
        Self {
            cache: Some(cache),
            ..self
        }
    }

    /// The account and region they are in.
    pub fn ec2(&self) -> &Arc<Ec2> {
        &self.ec2
    }

    fn calls(&self) -> &Calls {
        self.ec2.calls()
    }

    async fn storage(&self) -> Storage {
        match self.ec2.prices() {
            Some(prices) => prices.storage(self.ec2.region()).await,
            None => Storage::default(),
        }
    }

    /// The owner as tags have it.
    async fn owner(&self) -> Result<String> {
        Ok(clean(self.ec2.owner().await?))
    }

    async fn found(&self) -> Result<Vec<Found>> {
        let of = [
            tagged(OWNER, &self.owner().await?),
            filter("tag-key", &[WORKSPACE]),
        ];
        let call = self.calls().ec2.describe_volumes();
        let mut pages = call
            .set_filters(Some(of.into()))
            .max_results(500)
            .into_paginator()
            .send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.calls().told("ec2:DescribeVolumes", page).await?;
            found.extend(page.volumes().iter().filter_map(Found::read));
        }
        found.sort_by(|a, b| (&a.name, a.created, &a.id).cmp(&(&b.name, b.created, &b.id)));
        Ok(found)
    }

    /// One volume as it is now; `None` where it is no more, or no workspace of this owner.
    async fn fresh(&self, id: &str) -> Result<Option<Found>> {
        let owner = self.owner().await?;
        let call = self.calls().ec2.describe_volumes().volume_ids(id);
        let told = self.calls().told("ec2:DescribeVolumes", call.send().await);
        match told.await {
            Ok(answer) => {
                let found = answer.volumes().iter().find_map(Found::read);
                Ok(found.filter(|f| f.owner == owner && f.id == id))
            }
            Err(e) if e.class == AwsClass::Missing => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn told(&self, found: Found, storage: Storage) -> Workspace {
        found.told(self.ec2.region(), storage)
    }

    /// The volume of a workspace as it is now.
    async fn there(&self, workspace: &Workspace) -> Result<Found> {
        let found = self.fresh(&workspace.id).await?;
        found
            .filter(|f| f.name == workspace.name)
            .ok_or_else(|| WorkspaceError::NoWorkspace(named(&workspace.name, &workspace.id)))
    }

    async fn list_all(&self) -> Result<Vec<Workspace>> {
        let (found, storage) = tokio::join!(self.found(), self.storage());
        let found = found?.into_iter();
        Ok(found.map(|f| self.told(f, storage)).collect())
    }

    async fn delete_one(&self, workspace: &Workspace) -> Result<()> {
        // Also takes it from an instance that is no more.
        let workspace = self.free(workspace).await?;
        self.delete_volume(&workspace.id).await
    }

    /// Deletes a volume that is known to be ours; one that is gone already is no error.
    async fn delete_volume(&self, id: &str) -> Result<()> {
        let gone = insist(|| self.ec2.calls().delete_volume(id)).await;
        gone.map_err(Into::into)
    }
}

fn named(name: &Name, id: &str) -> String {
    format!("{name} ({id})")
}

/// Tries a call that may be tried again as often as is wished.
async fn insist<T, F>(call: impl Fn() -> F) -> Result<T, AwsError>
where
    F: Future<Output = Result<T, AwsError>>,
{
    let mut tries = 1;
    loop {
        match call().await {
            Err(e) if tries < TRIES && e.is_uncertain() => tries += 1,
            told => return told,
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks `look` again and again until it has an answer; [`WorkspaceError::Late`] where it has none in time.
async fn until<T, F>(what: &'static str, within: Duration, look: impl Fn() -> F) -> Result<T>
where
    F: Future<Output = Result<Option<T>>>,
{
    let end = Instant::now() + within;
    loop {
        match look().await {
            Ok(Some(done)) => return Ok(done),
            Ok(None) => {}
            Err(WorkspaceError::Provision(crate::provision::ProvisionError::Aws(e)))
                if e.is_uncertain() && Instant::now() < end => {}
            Err(e) => return Err(e),
        }
        if Instant::now() >= end {
            return Err(WorkspaceError::Late(what, within.as_secs()));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

impl Volumes for Ebs {
    fn create<'a>(
        &'a self,
        new: &'a NewWorkspace,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Workspace>> {
        Box::pin(self.create_one(new, &[], steps))
    }

    fn list(&self) -> BoxFuture<'_, Result<Vec<Workspace>>> {
        Box::pin(self.list_all())
    }

    fn resize<'a>(
        &'a self,
        workspace: &'a Workspace,
        gib: u32,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Workspace>> {
        Box::pin(self.resize_one(workspace, gib, steps))
    }

    fn delete<'a>(&'a self, workspace: &'a Workspace) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.delete_one(workspace))
    }

    fn snapshot<'a>(
        &'a self,
        workspace: &'a Workspace,
        new: &'a NewSnapshot,
    ) -> BoxFuture<'a, Result<Snapshot>> {
        Box::pin(self.snapshot_one(workspace, new))
    }

    fn snapshots(&self) -> BoxFuture<'_, Result<Vec<Snapshot>>> {
        Box::pin(self.all_snapshots())
    }

    fn delete_snapshot<'a>(&'a self, snapshot: &'a Snapshot) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.delete_one_snapshot(snapshot))
    }

    fn open<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        steps: Steps<'a>,
    ) -> BoxFuture<'a, Result<Box<dyn Files>>> {
        Box::pin(async move {
            let cache = self.cache.as_ref().ok_or_else(|| {
                WorkspaceError::Refused("there is no place here for what is read".to_owned())
            })?;
            direct::open(&self.ec2, &snapshot.id, cache, steps).await
        })
    }
}
