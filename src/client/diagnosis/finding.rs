//! One thing that was looked at, how it came out, and what to do about it.

use serde::Serialize;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Good,
    /// Works without, but not everything.
    Lacking,
    /// Needed as things are.
    Missing,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub name: &'static str,
    pub verdict: Verdict,
    pub detail: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    pub fn good(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Good,
            detail: detail.into(),
            remedy: None,
        }
    }

    /// `Missing` where it is `needed`, `Lacking` otherwise.
    pub fn bad(
        name: &'static str,
        needed: bool,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            name,
            verdict: if needed {
                Verdict::Missing
            } else {
                Verdict::Lacking
            },
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }
}
