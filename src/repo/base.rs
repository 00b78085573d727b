//! What agents begin from where a workspace holds the repository already: yesterday's work there, today's tree from
//! here, or both. Pure: facts in, a step out.

use serde::{Deserialize, Serialize};

/// What the person asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Whichever is ahead; the workspace's where both have moved.
    #[default]
    Ahead,
    Laptop,
    Workspace,
    Merge,
}

/// How what came from here stands to what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    Same,
    /// All of the workspace's commits are in what came.
    LaptopAhead,
    /// All of what came is in the workspace's.
    WorkspaceAhead,
    /// Each has commits that the other has not.
    Diverged,
    /// They have no commit in common.
    Unrelated,
}

impl Relation {
    /// From the answers to git's questions: is the one an ancestor of the other, have they one in common.
    pub fn of(laptop_in_workspace: bool, workspace_in_laptop: bool, common: bool) -> Self {
        match (laptop_in_workspace, workspace_in_laptop) {
            (true, true) => Self::Same,
            (true, false) => Self::WorkspaceAhead,
            (false, true) => Self::LaptopAhead,
            (false, false) if common => Self::Diverged,
            (false, false) => Self::Unrelated,
        }
    }
}

/// What agents begin from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Laptop,
    Workspace,
    Merge,
}

/// A step, and what the person should know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    pub step: Step,
    pub say: Option<&'static str>,
}

const BOTH: &str = "both this machine and the workspace have moved: agents begin from the workspace's; \
     `--base laptop` takes this machine's, `--base merge` both";
const UNRELATED: &str = "the workspace's work has no commit in common with what is here: agents begin from the \
     workspace's; `--base laptop` takes this machine's";
const GOES_ON: &str = "the work in the workspace goes on";

/// The step. `relation` is `None` where the workspace holds no work of this repository yet.
pub fn decide(relation: Option<Relation>, choice: Choice) -> Decision {
    use Relation as R;
    let plain = |step| Decision { step, say: None };
    let said = |step, say| Decision {
        step,
        say: Some(say),
    };
    match (relation, choice) {
        (None | Some(R::Same), _) | (_, Choice::Laptop) => plain(Step::Laptop),
        (Some(_), Choice::Workspace) => plain(Step::Workspace),
        (Some(R::LaptopAhead), _) => plain(Step::Laptop),
        (Some(R::WorkspaceAhead), _) => said(Step::Workspace, GOES_ON),
        (Some(R::Diverged), Choice::Ahead) => said(Step::Workspace, BOTH),
        (Some(R::Unrelated), Choice::Ahead) => said(Step::Workspace, UNRELATED),
        (Some(R::Diverged | R::Unrelated), Choice::Merge) => plain(Step::Merge),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_all_cases() {
        use Choice as C;
        use Relation as R;
        use Step as S;
        let table = [
            (None, [S::Laptop; 4]),
            (Some(R::Same), [S::Laptop; 4]),
            (
                Some(R::LaptopAhead),
                [S::Laptop, S::Laptop, S::Workspace, S::Laptop],
            ),
            (
                Some(R::WorkspaceAhead),
                [S::Workspace, S::Laptop, S::Workspace, S::Workspace],
            ),
            (
                Some(R::Diverged),
                [S::Workspace, S::Laptop, S::Workspace, S::Merge],
            ),
            (
                Some(R::Unrelated),
                [S::Workspace, S::Laptop, S::Workspace, S::Merge],
            ),
        ];
        for (relation, steps) in table {
            let choices = [C::Ahead, C::Laptop, C::Workspace, C::Merge];
            for (choice, step) in choices.into_iter().zip(steps) {
                assert_eq!(
                    decide(relation, choice).step,
                    step,
                    "{relation:?} {choice:?}"
                );
            }
        }
    }

    #[test]
    fn work_is_never_left_behind_in_silence() {
        // Where the person chose nothing, and what is taken lacks commits of the other side, it is said.
        for relation in [Relation::Diverged, Relation::Unrelated] {
            assert!(decide(Some(relation), Choice::Ahead).say.is_some());
        }
    }

    #[test]
    fn relations_are_what_git_answers() {
        assert_eq!(Relation::of(true, true, true), Relation::Same);
        assert_eq!(Relation::of(true, false, true), Relation::WorkspaceAhead);
        assert_eq!(Relation::of(false, true, true), Relation::LaptopAhead);
        assert_eq!(Relation::of(false, false, true), Relation::Diverged);
        assert_eq!(Relation::of(false, false, false), Relation::Unrelated);
    }
}
