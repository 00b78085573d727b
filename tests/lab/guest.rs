//! What tests need of an instance: its launch with a known host key, its sshd, its states, its metadata.

use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{Instance, InstanceStateName, InstanceType, IpPermission, IpRange};
use base64::Engine;

use crate::common::process::{Ran, run};

/// As long as a VM may take on a busy machine.
pub const BOOT: Duration = Duration::from_secs(480);
pub const IMAGE: &str = "resolve:ssm:/aws/service/debian/release/12/latest/amd64";

/// The keys of one test, and the files that stock ssh wants.
pub struct Keys {
    dir: tempfile::TempDir,
}

impl Default for Keys {
    fn default() -> Self {
        Self::new()
    }
}

impl Keys {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["user", "host", "guest"] {
            let mut keygen = Command::new("ssh-keygen");
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]);
            assert_eq!(
                run(keygen.arg(dir.path().join(name)), b"", BOOT).code,
                0,
                "ssh-keygen"
            );
        }
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("a key")
    }

    /// User-data that gives the machine our host key, a user `dev`, and an sshd that asks Instance Connect.
    pub fn user_data(&self) -> String {
        let host = self.text("host").replace('\n', "\n    ");
        format!(
            r#"#cloud-config
ssh_keys:
  ed25519_private: |
    {host}
  ed25519_public: {host_public}
users:
  - name: dev
    shell: /bin/bash
    sudo: ALL=(ALL) NOPASSWD:ALL
    ssh_authorized_keys: ["{user}"]
write_files:
  - path: /etc/ssh/sshd_config.d/50-connect.conf
    content: |
      AuthorizedKeysCommand /usr/local/sbin/connect-keys %u
      AuthorizedKeysCommandUser nobody
  - path: /usr/local/sbin/connect-keys
    permissions: '0755'
    content: |
      #!/bin/sh
      base=http://169.254.169.254/latest
      token=$(curl -sfX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' $base/api/token) || exit 0
      curl -sf -H "X-aws-ec2-metadata-token: $token" $base/meta-data/managed-ssh-keys/active-keys/$1 || exit 0
"#,
            host_public = self.text("host.pub").trim(),
            user = self.text("user.pub").trim(),
        )
    }

    /// Stock ssh to `user@address` with one of our keys; only the host key of the user-data is believed.
    pub fn ssh(&self, key: &str, address: &str, command: &str) -> Ran {
        let known = self.path("known_hosts");
        let host = self.text("host.pub");
        std::fs::write(&known, format!("{address} {host}")).expect("known_hosts");
        let mut ssh = Command::new("ssh");
        ssh.args([
            "-F",
            "/dev/null",
            "-o",
            "BatchMode=yes",
            "-o",
            "IdentitiesOnly=yes",
        ])
        .args(["-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=20"])
        .args(["-o", "IdentityAgent=none", "-o", "LogLevel=ERROR"])
        .arg("-o")
        .arg(format!("UserKnownHostsFile={}", known.display()))
        .arg("-i")
        .arg(self.path(key))
        .arg(format!("dev@{address}"))
        .arg(command);
        run(&mut ssh, b"", BOOT)
    }

    /// As [`Keys::ssh`] with the user's own key; its output.
    ///
    /// # Panics
    /// When the command fails.
    pub fn told(&self, address: &str, command: &str) -> String {
        let ran = self.ssh("user", address, command);
        assert_eq!(ran.code, 0, "{command}: {}", ran.all());
        ran.stdout.trim().to_owned()
    }
}

/// A security group without rules in the default VPC.
pub async fn group(ec2: &Client, name: &str) -> String {
    let made = ec2
        .create_security_group()
        .group_name(name)
        .description("test")
        .send()
        .await
        .expect("a security group");
    made.group_id.expect("its id")
}

/// Opens port 22 of the group for one source.
pub async fn open_ssh(ec2: &Client, group: &str, source: &str) {
    ec2.authorize_security_group_ingress()
        .group_id(group)
        .ip_permissions(ssh_from(source))
        .send()
        .await
        .expect("a rule");
}

pub fn ssh_from(source: &str) -> IpPermission {
    IpPermission::builder()
        .ip_protocol("tcp")
        .from_port(22)
        .to_port(22)
        .ip_ranges(IpRange::builder().cidr_ip(source).build())
        .build()
}

/// A launch as `remote` would make it, to be completed and sent.
pub fn launch(
    ec2: &Client,
    user_data: &str,
) -> aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder {
    ec2.run_instances()
        .image_id(IMAGE)
        .instance_type(InstanceType::M6iLarge)
        .min_count(1)
        .max_count(1)
        .instance_initiated_shutdown_behavior(aws_sdk_ec2::types::ShutdownBehavior::Terminate)
        .user_data(base64::engine::general_purpose::STANDARD.encode(user_data))
}

/// The one instance of an answer: id and public address.
pub fn only(instances: Option<Vec<Instance>>) -> (String, String) {
    let instances = instances.unwrap_or_default();
    let [one] = instances.as_slice() else {
        panic!("{} instances", instances.len());
    };
    let address = one.public_ip_address.clone().unwrap_or_default();
    (one.instance_id.clone().expect("an id"), address)
}

pub async fn describe(ec2: &Client, id: &str) -> Instance {
    let told = ec2.describe_instances().instance_ids(id).send().await;
    let mut reservations = told.expect("the instance").reservations.unwrap_or_default();
    let reservation = reservations.pop().expect("a reservation");
    reservation.instances.unwrap_or_default().remove(0)
}

/// Waits until the instance is in this state.
///
/// # Panics
/// When it does not get there.
pub async fn await_state(ec2: &Client, id: &str, wanted: InstanceStateName) -> Instance {
    let begun = Instant::now();
    loop {
        let now = describe(ec2, id).await;
        let state = now.state.as_ref().and_then(|s| s.name.clone());
        if state.as_ref() == Some(&wanted) {
            return now;
        }
        assert!(begun.elapsed() < BOOT, "{id} is {state:?}, not {wanted:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Whether an SSH server says its name there.
pub fn sshd_answers(address: &str) -> bool {
    let socket = format!("{address}:22").parse().expect("an address");
    let Ok(mut stream) = TcpStream::connect_timeout(&socket, Duration::from_secs(2)) else {
        return false;
    };
    let mut banner = [0; 4];
    stream
        .set_read_timeout(Some(Duration::from_secs(2)))
        .is_ok()
        && stream.read_exact(&mut banner).is_ok()
        && &banner == b"SSH-"
}

/// Whether connecting is refused at once.
pub fn refused(address: &str) -> bool {
    TcpStream::connect(format!("{address}:22"))
        .is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// Where a volume appears in a guest.
pub fn device(volume: &str) -> String {
    let serial = volume.replace('-', "");
    format!("/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{serial}")
}

/// A guest's shell line that prints an item of its metadata.
pub fn metadata(item: &str) -> String {
    let base = "http://169.254.169.254/latest";
    format!(
        "t=$(curl -sfX PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' {base}/api/token) && \
         curl -sf -H \"X-aws-ec2-metadata-token: $t\" {base}/meta-data/{item}"
    )
}

/// Whether any file system of this machine is in the directory's way: nothing may stay mounted below it.
pub fn mounted_below(dir: &Path) -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.contains(&dir.to_string_lossy().into_owned())
}
