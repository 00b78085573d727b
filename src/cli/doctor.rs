//! `remote doctor`: looks at this machine and says what to do.

mod checks;
mod secrets;
mod session;

use std::process::ExitCode;

use clap_complete::engine::ArgValueCandidates;

use super::{Color, Ctx, complete};
use crate::client::diagnosis::{Finding, Verdict};
use crate::error::Result;

/// Check this machine and the configuration, and say what to do
///
/// Exits with 1 where something that is needed is missing. Looks only; changes nothing. Where sessions run on
/// EC2 it asks AWS who you are, whether the clock is right, and which address may knock at port 22; with a
/// session named it knocks there, and tells a blocked port, a captive portal and a wrong address apart.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    remote doctor                  # this machine and the configuration\n  \
    remote doctor session-abc123   # and why that session cannot be reached")]
pub struct Args {
    /// Also whether this session's machine can be reached, and why not
    #[arg(value_name = "SESSION", add = ArgValueCandidates::new(complete::sessions))]
    session: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let known = match &args.session {
        Some(typed) => Some(ctx.registry(Some(typed)).await?.resolve(typed)?),
        None => None,
    };
    let findings = checks::all(ctx, known.as_ref()).await;
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
