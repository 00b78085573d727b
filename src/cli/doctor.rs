//! `remote doctor`: looks at this machine and says what to do.

mod checks;

use std::process::ExitCode;

use serde::Serialize;

use super::{Color, Ctx};
use crate::error::Result;

/// Check this machine and the configuration, and say what to do
///
/// Exits with 1 where something that is needed is missing. Looks only; changes nothing.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Good,
    /// Works without, but not everything.
    Lacking,
    /// Needed as things are configured.
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

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let findings = checks::all(ctx).await;
    let healthy = findings.iter().all(|f| f.verdict != Verdict::Missing);
    if args.json {
        ctx.ui
            .json(&serde_json::json!({ "healthy": healthy, "findings": findings }))?;
    } else {
        for finding in &findings {
            let (mark, color) = match finding.verdict {
                Verdict::Good => ("ok", Color::Green),
                Verdict::Lacking => ("--", Color::Yellow),
                Verdict::Missing => ("!!", Color::Red),
            };
            let mark = ctx.ui.paint(mark, color);
            ctx.ui
                .line(format!("{mark} {:<14} {}", finding.name, finding.detail))?;
            if let Some(remedy) = &finding.remedy {
                ctx.ui
                    .line(format!("{:18}{}", "", ctx.ui.paint(remedy, Color::Dim)))?;
            }
        }
    }
    Ok(if healthy {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
