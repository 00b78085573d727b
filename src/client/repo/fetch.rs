//! One session's results into the repository here, if they are that one's.

use super::bring::Tell;
use super::pull::{How, Pulled, collect, pull};
use super::record::Starts;
use super::{Pulls, Way};
use crate::client::registry::Known;
use crate::error::{Error, Result};
use crate::repo::Repository;

/// What a look at a session's results came to.
#[derive(Debug)]
pub enum Fetched {
    /// They are here.
    Pulled(Pulled),
    /// It brought none.
    NoRepository,
    /// Of another repository than the one here: that one's name.
    Another(String),
}

/// Where results go.
pub struct Into<'a> {
    pub here: &'a Repository,
    pub pulls: &'a Pulls,
    /// Though they are of another repository.
    pub force: bool,
    /// All agents had ended before this began: nothing can come after.
    pub over: Option<Starts>,
    /// What could not be read of what it is fetched from.
    pub unread: &'a [String],
}

impl Fetched {
    /// What was wanted of one session by name.
    ///
    /// # Errors
    /// It was not had; the error says why.
    pub fn wanted(self, known: &Known, here: &Repository) -> Result<Pulled> {
        let id = &known.id;
        match self {
            Self::Pulled(pulled) => Ok(pulled),
            Self::NoRepository => Err(Error::user(format!("{} brought no repository", known.label()))
                .hint(format!("its agents' directory can be copied: `remote cp -r {id}: .`"))),
            Self::Another(name) => Err(Error::user(format!(
                "{} worked on `{name}`, and this is `{}`",
                known.label(),
                here.name()
            ))
            .hint(format!(
                "run it in that repository, or say `remote pull {id} --force` to have it here all the same"
            ))),
        }
    }
}

/// Fetches a session's results, or `only` one agent's. One that pulls into the same repository at the same moment is
/// waited for.
///
/// # Errors
/// They cannot be had, or are not whole.
pub async fn fetch(
    way: &Way,
    known: &Known,
    only: Option<u32>,
    to: &Into<'_>,
    tell: &dyn Tell,
) -> Result<Fetched> {
    tell.step(&format!("collect {}", known.label()));
    let Some(collected) = collect(way, &known.id, only).await? else {
        return Ok(Fetched::NoRepository);
    };
    let store = format!("{}.git", to.here.store_name());
    let same = collected.store.file_name().is_some_and(|n| *n == *store);
    if !same && !to.force {
        return Ok(Fetched::Another(collected.name));
    }
    if let (Some(number), []) = (only, collected.agents.as_slice()) {
        return Err(Error::user(format!(
            "{} has no results of agent {number}",
            known.label()
        ))
        .hint(format!("run `remote status {}` for its agents", known.id)));
    }
    tell.step("pull");
    let _turn = to.pulls.turn(to.here, tell).await?;
    let how = How {
        whole: only.is_none(),
        over: to.over.clone(),
        unread: to.unread.to_vec(),
    };
    let pulled = pull(way, collected, to.here, how, to.pulls, tell).await?;
    Ok(Fetched::Pulled(pulled))
}
