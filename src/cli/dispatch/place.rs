//! Where a session is to run, when it ends, and what its agents find in their environment.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Args, Ctx, OnInterrupt};
use crate::client::dispatch::{Cloud, Place, checked};
use crate::error::{Error, Result};
use crate::model::{Ends, Money, now_ms};
use crate::provision::{Binaries, Shelf};

/// When a session ends, its TTL not yet begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clocks {
    ends: Ends,
    pub ttl: Option<Duration>,
}

impl Clocks {
    /// Of a session that begins now.
    pub fn begun(&self) -> Ends {
        match self.ttl {
            Some(ttl) => self.ends.with_ttl(now_ms(), ttl),
            None => self.ends,
        }
    }
}

impl Args {
    /// What ends the session beside its TTL, and that.
    pub(super) fn ends(&self, ctx: &Ctx, rented: bool) -> Result<Clocks> {
        let config = &ctx.config;
        let time = |flag: &str, given: Option<Duration>, set: Option<Duration>| {
            given.or(set).map(|t| checked(flag, t)).transpose()
        };
        let ms = |time: Option<Duration>| time.and_then(|t| u64::try_from(t.as_millis()).ok());
        // What costs ends by itself.
        let or = |minutes: u64| rented.then(|| Duration::from_secs(minutes * 60));
        let ttl = time("--ttl", self.ttl, config.ttl())?.or(or(60));
        let idle = time("--idle", self.idle, config.idle())?.or(or(15));
        let linger = time("--linger", self.linger, config.linger())?.or(or(2));
        let wait_limit = time("--wait-limit", self.wait_limit, config.wait_limit())?.or(or(30));
        let ends = Ends {
            deadline: None,
            linger_ms: ms(linger),
            idle_ms: ms(idle),
            wait_limit_ms: ms(wait_limit),
            keep: self.keep,
            resume: matches!(self.on_interrupt, Some(OnInterrupt::Resume)),
            resume_max_microusd: self.machine.max_price.map(Money::as_micros),
            resume_on_demand: self.machine.or_on_demand,
        };
        Ok(Clocks { ends, ttl })
    }

    pub(super) fn place(&self, ctx: &Ctx) -> Result<Place> {
        let provider = match (&self.provider, &self.host) {
            (Some(provider), _) => provider.as_str(),
            (None, Some(_)) => "ssh",
            (None, None) if self.machine.any() => "ec2",
            (None, None) => ctx.config.provider(),
        };
        match provider {
            "local" if self.host.is_some() => Err(Error::user(
                "`--host` names another machine, and `--provider local` is this one",
            )
            .hint("leave one of them out")),
            "local" if self.host_binary.is_some() => Err(Error::user(
                "`--host-binary` is for another machine, and this session runs on this one",
            )
            .hint("leave it out, or say which machine: `--host me@box`")),
            "local" => Ok(Place::Local),
            "ssh" => {
                let host = self.host.as_deref().or(ctx.config.host()).ok_or_else(|| {
                    Error::user("provider `ssh` needs a machine").hint(
                        "say `--host me@box`, or run `remote init --provider ssh --host me@box` once",
                    )
                })?;
                Ok(Place::Ssh {
                    destination: host.to_owned(),
                    binaries: Binaries {
                        given: self.host_binary.clone(),
                        by_system: ctx.config.host_binaries().clone(),
                        shelf: Shelf::default(),
                    },
                })
            }
            "ec2" => Ok(Place::Ec2(Box::new(Cloud {
                config: ctx.config.clone(),
                region: self.machine.region.clone(),
                binaries: Binaries {
                    given: self.host_binary.clone(),
                    by_system: ctx.config.host_binaries().clone(),
                    shelf: Shelf::default(),
                },
            }))),
            other => Err(Error::user(format!("there is no provider `{other}`"))
                .hint("there are `local`, `ssh` and `ec2`")),
        }
    }

    pub(super) fn env(&self) -> Result<BTreeMap<String, String>> {
        self.env
            .iter()
            .map(|pair| match pair.split_once('=') {
                Some((name, value)) if is_identifier(name) => {
                    Ok((name.to_owned(), value.to_owned()))
                }
                Some((name, _)) if !name.is_empty() => Err(Error::user(format!(
                    "`--env {pair}`: `{name}` is no variable's name"
                ))
                .hint("names are letters, digits and `_`, and begin with no digit")),
                _ => Err(Error::user(format!("`--env {pair}` is no NAME=VALUE"))
                    .hint("say for example `--env RUST_LOG=debug`")),
            })
            .collect()
    }
}

fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
