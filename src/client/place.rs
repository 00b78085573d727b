//! Where a session runs, and the provider that is opened for it: the one way to a provider, for who starts sessions
//! and for who looks after one that is known.

use std::sync::Arc;

use super::cloud::{self, OverPinned};
use super::dial::OverSsh;
use crate::config::{Config, Paths};
use crate::error::Result;
use crate::model::{Arch, Shape};
use crate::provision::ec2::Ec2;
use crate::provision::{Binaries, Compute, Endpoint, Local, Login, ProvisionError, SshHost, Steps};
use crate::ssh::{Ask, Connection};

/// Where a session is to run.
#[derive(Debug, Clone)]
pub enum Place {
    Local,
    Ssh {
        /// What one would type after `ssh`.
        destination: String,
        binaries: Binaries,
    },
    /// A machine that is rented for the session.
    Ec2(Box<Cloud>),
}

/// With whose account, and where.
#[derive(Debug, Clone)]
pub struct Cloud {
    pub config: Config,
    /// Another region than the configured one.
    pub region: Option<String>,
    pub binaries: Binaries,
}

impl Cloud {
    /// Whether there is a binary for such a machine: what is missing is said before one is rented.
    ///
    /// # Errors
    /// There is none, it cannot be read, or it is another system's.
    pub fn fits(&self, shape: &Shape) -> std::result::Result<(), ProvisionError> {
        let system = match shape.arch {
            Arch::X86_64 => "linux-x86_64",
            Arch::Arm64 => "linux-aarch64",
        };
        self.binaries.for_system(system, &shape.name).map(drop)
    }
}

impl Place {
    pub fn provider(&self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Ssh { .. } => "ssh",
            Self::Ec2(_) => "ec2",
        }
    }

    /// Opens its provider: the connection or the account is had once.
    ///
    /// # Errors
    /// The machine cannot be reached, or there are no credentials.
    pub async fn open(
        &self,
        paths: &Paths,
        ask: Arc<dyn Ask>,
        steps: Steps<'_>,
    ) -> Result<(Provider, Way)> {
        Ok(match self {
            Self::Local => (Provider::Local(Local::new(paths.sessions())), Way::None),
            Self::Ssh {
                destination,
                binaries,
            } => {
                steps(&format!("connect {destination}"));
                let remote = Arc::new(OverSsh::dial(destination, ask).await?);
                let host = SshHost::new(remote.clone(), binaries.clone());
                (Provider::Ssh(Box::new(host)), Way::Open(remote))
            }
            Self::Ec2(place) => {
                let region = place.region.as_deref();
                let reach = Arc::new(OverPinned::new(ask));
                let (config, binaries) = (&place.config, &place.binaries);
                let ec2 = cloud::open_over(paths, config, region, binaries, reach.clone()).await?;
                (Provider::Ec2(Box::new(ec2)), Way::Made(reach))
            }
        })
    }
}

/// A provider that is open.
pub enum Provider {
    Local(Local),
    Ssh(Box<SshHost>),
    Ec2(Box<Ec2>),
}

impl Provider {
    pub fn compute(&self) -> &dyn Compute {
        match self {
            Self::Local(local) => local,
            Self::Ssh(host) => host.as_ref(),
            Self::Ec2(ec2) => ec2.as_ref(),
        }
    }
}

/// The connection that a provider works over, which the session's own business goes on over.
pub enum Way {
    /// To this machine.
    None,
    /// To a machine of one's own.
    Open(Arc<OverSsh>),
    /// To whichever machine was made last.
    Made(Arc<OverPinned>),
}

impl Way {
    /// The connection to where a session was started, if there is one.
    pub fn to(&self, endpoint: &Endpoint) -> Option<Connection> {
        match (self, &endpoint.login) {
            (Self::Open(remote), _) => Some(remote.connection()),
            (Self::Made(reach), Login::Pinned(login)) => reach.take(login),
            _ => None,
        }
    }
}
