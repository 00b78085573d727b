//! The EC2 provider on a lab: a device, what the provider is told, and what AWS itself says is there.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_ec2::config::Credentials;
use aws_sdk_ec2::types::InstanceStateName;
use remote_compute::model::{AgentSpec, DEFAULT_SIZE, Ends, SessionId, SessionSpec, now_ms};
use remote_compute::provision::ec2::{Device, Ec2, Ec2Settings, SshFrom};
use remote_compute::provision::{Binaries, Launch, MachineWish, Shelf};
use remote_compute::ssh::keys;

use crate::ec2_words::Words;
use crate::harness::{Control, Lab, Machines, REGION};

/// How long one attempt of a call may take here.
pub const ATTEMPT: Duration = Duration::from_secs(5);

/// A lab, a device, and the provider between them.
pub struct World {
    pub lab: Lab,
    pub control: Control,
    pub words: Words,
    pub config: SdkConfig,
    pub device: Device,
    home: tempfile::TempDir,
}

impl World {
    /// One whose machines are words.
    pub async fn new() -> Self {
        Self::with(Lab::start(Machines::None)).await
    }

    pub async fn with(lab: Lab) -> Self {
        let home = tempfile::tempdir().expect("a home");
        let key = keys::generate_ed25519();
        let identity = home.path().join("id_ed25519");
        keys::save(&identity, &key).expect("a key");
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT);
        let config = aws_config::defaults(BehaviorVersion::latest())
            .endpoint_url(&lab.endpoint)
            .region(Region::new(REGION))
            .credentials_provider(Credentials::new("lab", "lab", None, None, "lab"))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(50)))
            .timeout_config(timeouts.build())
            .load()
            .await;
        Self {
            control: lab.control(),
            lab,
            words: Words::default(),
            config,
            device: Device {
                name: "laptop".to_owned(),
                public_key: keys::public_line(&key),
                identity,
            },
            home,
        }
    }

    pub fn settings(&self) -> Ec2Settings {
        Ec2Settings {
            region: REGION.to_owned(),
            vpc: None,
            subnets: Vec::new(),
            ssh_from: SshFrom::Auto,
            address_service: format!("{}/lab/address", self.lab.endpoint),
            device: self.device.clone(),
            journal: self.journal(),
            binaries: Binaries {
                // Words do not run it, and it is packed quickly.
                given: Some("/bin/true".into()),
                by_system: BTreeMap::new(),
                shelf: Shelf::default(),
            },
        }
    }

    pub fn journal(&self) -> PathBuf {
        self.home.path().join("launches")
    }

    /// The provider, by way of words.
    pub fn ec2(&self) -> Ec2 {
        self.ec2_with(self.settings())
    }

    pub fn ec2_with(&self, settings: Ec2Settings) -> Ec2 {
        Ec2::new(settings, &self.config, Arc::new(self.words.clone()))
    }

    /// The actions called so far, in order, as `ec2:RunInstances`.
    pub fn actions(&self) -> Vec<String> {
        let calls = self.control.calls();
        calls
            .into_iter()
            .map(|c| format!("{}:{}", c.service, c.action))
            .collect()
    }

    /// All that is there, as AWS itself tells, whoever made it.
    pub async fn there(&self) -> Vec<There> {
        there(&self.lab).await
    }
}

/// All that is there, as AWS itself tells, whoever made it.
pub async fn there(lab: &Lab) -> Vec<There> {
    let ec2 = lab.ec2(REGION);
    let mut there = Vec::new();
    let mut add = |id: Option<&str>, part_of: Option<&str>| {
        there.push(There {
            id: id.unwrap_or_default().to_owned(),
            part_of: part_of.map(str::to_owned),
        });
    };
    let instances = ec2.describe_instances().send().await.expect("instances");
    let instances = instances.reservations().iter().flat_map(|r| r.instances());
    for instance in instances {
        if instance.state().and_then(|s| s.name()) != Some(&InstanceStateName::Terminated) {
            add(instance.instance_id(), None);
        }
    }
    let volumes = ec2.describe_volumes().send().await.expect("volumes");
    for volume in volumes.volumes() {
        let root = volume
            .attachments()
            .iter()
            .find(|a| a.device() != Some("/dev/sdf"));
        add(volume.volume_id(), root.and_then(|a| a.instance_id()));
    }
    let groups = ec2.describe_security_groups().send().await.expect("groups");
    let groups = groups.security_groups().iter();
    for group in groups.filter(|g| g.group_name() != Some("default")) {
        add(group.group_id(), None);
    }
    there
}

/// A thing that is there.
#[derive(Debug, PartialEq, Eq)]
pub struct There {
    pub id: String,
    /// The instance whose root it is.
    pub part_of: Option<String>,
}

/// A cheap machine in any zone.
pub fn wish() -> MachineWish {
    MachineWish {
        volume: None,
        instance_type: "m6i.large".to_owned(),
        zone: None,
        spot: false,
        max_microusd_per_hour: None,
        other_sizes: false,
        on_demand_too: false,
        disk_gib: 1,
        image: "debian-12".to_owned(),
        sudo: true,
    }
}

pub fn spec(command: &str) -> SessionSpec {
    let created = now_ms();
    SessionSpec {
        id: SessionId::generate().expect("a name"),
        name: None,
        task: "add a rate limit: \"*\", and so on".to_owned(),
        provider: "ec2".to_owned(),
        owner: "me@laptop".to_owned(),
        created,
        ends: Ends::default().with_ttl(created, Duration::from_secs(3600)),
        agents: vec![AgentSpec {
            number: 1,
            name: "sh".to_owned(),
            argv: ["/bin/sh", "-c", command].map(str::to_owned).to_vec(),
            resume: Vec::new(),
            env: BTreeMap::new(),
            cwd: "/work".into(),
            size: DEFAULT_SIZE,
            task: String::new(),
            check: None,
            push: None,
            forward_agent: false,
        }],
        price_microusd_per_hour: 96_000,
        budget_microusd: None,
        workspace: None,
    }
}

pub fn launch(wish: MachineWish) -> Launch {
    Launch {
        again: None,
        spec: spec("sleep 600"),
        keys: None,
        wish: Some(wish),
    }
}

/// What was said of the steps.
#[derive(Default)]
pub struct Steps(Mutex<Vec<String>>);

impl Steps {
    pub fn tell(&self) -> impl Fn(&str) + Send + Sync + '_ {
        |line| self.0.lock().unwrap().push(line.to_owned())
    }

    pub fn told(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}
