//! Where workspaces are: the provider that is configured, or another that was named.

use std::sync::Arc;

use super::progress::Progress;
use crate::cli::Ctx;
use crate::cli::target::person;
use crate::client::cloud;
use crate::client::place::{Place, Provider};
use crate::error::{Error, Result};
use crate::model::now_ms;
use crate::provision::Binaries;
use crate::workspace::dirs::Dirs;
use crate::workspace::ebs::Ebs;
use crate::workspace::{Seen, Sight, Volumes, direct};

/// Where to look for them.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct Where {
    /// Where workspaces are, if not where sessions run: `local`, `ssh` or `ec2`
    #[arg(long, value_name = "PROVIDER", value_parser = ["local", "ssh", "ec2"])]
    pub provider: Option<String>,
    /// Another region of EC2 than the configured one
    #[arg(long, value_name = "REGION", conflicts_with = "host")]
    pub region: Option<String>,
    /// The machine of provider `ssh`, as one would type it after `ssh`
    #[arg(long, value_name = "HOST")]
    pub host: Option<String>,
}

impl Where {
    /// `local`, `ssh` or `ec2`.
    fn provider<'a>(&'a self, ctx: &'a Ctx) -> &'a str {
        match (&self.provider, &self.host, &self.region) {
            (Some(provider), ..) => provider,
            (None, Some(_), _) => "ssh",
            (None, None, Some(_)) => "ec2",
            (None, None, None) => ctx.config.provider(),
        }
    }
}

/// The workspaces there, and what that place is called.
pub struct Site {
    pub volumes: Arc<dyn Volumes>,
    /// `us-east-1`, `local`, `me@box`
    pub place: String,
}

impl Site {
    /// Writes down what is there now, for completion and `remote cost`. Where it cannot be looked at, it is not.
    pub async fn look(&self, ctx: &Ctx) {
        let (workspaces, snapshots) = tokio::join!(self.volumes.list(), self.volumes.snapshots());
        if let (Ok(workspaces), Ok(snapshots)) = (workspaces, snapshots) {
            let sight = Sight {
                at: now_ms(),
                workspaces,
                snapshots,
            };
            Seen::new(&ctx.paths).saw(&self.place, sight);
        }
    }
}

/// Opens the place.
///
/// # Errors
/// No credentials, no region, no such machine: each says what to do.
pub async fn open(ctx: &Ctx, at: &Where, progress: &Progress) -> Result<Site> {
    match at.provider(ctx) {
        "ec2" => {
            let ebs = ebs(ctx, at).await?;
            Ok(Site {
                place: ebs.ec2().region().to_owned(),
                volumes: ebs,
            })
        }
        "ssh" => {
            let named = at.host.as_deref().or(ctx.config.host());
            let destination = named.ok_or_else(|| {
                Error::user("provider `ssh` needs a machine").hint(
                    "say `--host me@box`, or run `remote init --provider ssh --host me@box` once",
                )
            })?;
            let place = Place::Ssh {
                destination: destination.to_owned(),
                binaries: Binaries {
                    by_system: ctx.config.host_binaries().clone(),
                    ..Binaries::default()
                },
            };
            let steps = |text: &str| progress.step(text);
            let (provider, _way) = place.open(&ctx.paths, person(ctx), &steps).await?;
            let Provider::Ssh(host) = provider else {
                return Err(Error::internal("provider `ssh` is none of ssh"));
            };
            Ok(Site {
                volumes: Arc::new(Dirs::there(Arc::from(host), destination)),
                place: destination.to_owned(),
            })
        }
        _ => Ok(Site {
            volumes: Arc::new(Dirs::here(&ctx.paths)),
            place: "local".to_owned(),
        }),
    }
}

/// Opens EC2's alone.
///
/// # Errors
/// As [`open()`], and where another provider was named.
pub async fn ebs(ctx: &Ctx, at: &Where) -> Result<Arc<Ebs>> {
    let provider = at.provider(ctx);
    if provider != "ec2" {
        return Err(Error::user(format!(
            "this is for volumes of EC2, and provider `{provider}` has directories"
        ))
        .hint("say `--provider ec2` if that is meant"));
    }
    let region = at.region.as_deref();
    let ec2 = cloud::look(&ctx.paths, &ctx.config, region, person(ctx)).await?;
    let ebs = Ebs::new(Arc::new(ec2));
    Ok(Arc::new(ebs.with_cache(direct::cache_of(&ctx.paths))))
}
