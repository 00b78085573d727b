//! A machine as `remote` rents it: launched with the real user-data, reached by stock ssh as its login user.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_ec2::Client;
use aws_sdk_ec2::types::{InstanceStateName, Placement, VolumeType};
use remote_compute::model::{
    AgentSpec, DEFAULT_SIZE, Ends, Millis, SessionId, SessionSpec, SessionStatus, now_ms,
};
use remote_compute::proto::{Conn, Event, Op, Outcome, Request, ToClient, ToHost};
use remote_compute::provision::user_data::{UserData, render};
use remote_compute::provision::{Endpoint, Launch};
use tokio::net::UnixStream;

use crate::common::env::remote_binary;
use crate::common::process::{Ran, run, wait_child};
use crate::common::{SOON, await_true};
use crate::guest::{BOOT, Keys, await_state, group, launch, only, open_ssh, sshd_answers};
use crate::harness::{Lab, Machines, REGION};
use crate::person::box_or_vm;

pub const LOGIN: &str = "admin";
const ZONE: &str = "us-east-1a";
const BINARY: &str = "/work/.remote/bin/remote";

/// One rented machine in a lab of its own.
pub struct Rented {
    pub lab: Lab,
    pub ec2: Client,
    pub keys: Keys,
    pub session: SessionId,
    pub id: String,
    pub address: String,
    pub volume: String,
    /// When it was asked for, in seconds since 1970: after the lab was free for it.
    pub begun: u64,
    /// The host key that is believed: the one-time key at first.
    pub host_key: String,
}

/// What a test wants otherwise.
pub struct Wish {
    pub machines: Machines,
    pub deadline: Duration,
    pub handover_within: Duration,
    pub sudo: bool,
    /// The user-data's text, changed.
    pub change: fn(String) -> String,
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            machines: box_or_vm(),
            deadline: Duration::from_secs(3600),
            handover_within: Duration::from_secs(600),
            sudo: true,
            change: |text| text,
        }
    }
}

pub fn epoch_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.expect("a clock").as_secs()
}

impl Rented {
    /// Launched, its volume attached, its port open; sshd may not answer yet.
    pub async fn launch(wish: &Wish) -> Self {
        let lab = Lab::start(wish.machines);
        let (ec2, keys) = (lab.ec2(REGION), Keys::new());
        let group = group(&ec2, "remote").await;
        open_ssh(&ec2, &group, "127.0.0.1/32").await;
        let volume = ec2
            .create_volume()
            .availability_zone(ZONE)
            .size(1)
            .volume_type(VolumeType::Gp3);
        let volume = volume.send().await.expect("a volume").volume_id;
        let volume = volume.expect("its id");
        let session: SessionId = "session-abc234".parse().expect("a name");
        let begun = epoch_seconds();
        let deadline = begun * 1000 + u64::try_from(wish.deadline.as_millis()).expect("short");
        let user_data = user_data(&keys, &session, deadline, wish);
        let zone = Placement::builder().availability_zone(ZONE).build();
        let mut request = launch(&ec2, "").security_group_ids(&group).placement(zone);
        request = request.user_data(base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            user_data,
        ));
        let launched = request.send().await.expect("a launch");
        let (id, address) = only(launched.instances);
        await_state(&ec2, &id, InstanceStateName::Running).await;
        let attach = ec2
            .attach_volume()
            .volume_id(&volume)
            .instance_id(&id)
            .device("/dev/sdf");
        attach.send().await.expect("the volume attached");
        let host_key = keys.text("host.pub");
        Self {
            lab,
            ec2,
            keys,
            session,
            id,
            address,
            volume,
            begun,
            host_key,
        }
    }

    /// Its login user is there.
    fn answers(&self) {
        await_true("sshd", BOOT, || sshd_answers(&self.address));
        await_true("its login user", BOOT, || {
            self.ssh("user", LOGIN, "true", b"").code == 0
        });
    }

    /// As [`Rented::launch`], and its login user is there.
    pub async fn up(wish: &Wish) -> Self {
        let rented = Self::launch(wish).await;
        rented.answers();
        rented
    }

    /// Up, its volume mounted, `remote` there.
    pub async fn ready(wish: &Wish) -> Self {
        let rented = Self::up(wish).await;
        rented.root(&format!("mount {} --new", rented.volume));
        rented.brings_binary();
        rented
    }

    /// `remote` is there.
    pub fn brings_binary(&self) {
        let binary = std::fs::read(remote_binary()).expect("the binary");
        let line = format!("cat >{BINARY} && chmod 755 {BINARY}");
        let ran = self.ssh("user", LOGIN, &line, &binary);
        assert_eq!(ran.code, 0, "{}", ran.all());
    }

    /// An ssh command line to the machine; only [`Rented::host_key`] is believed.
    pub fn command(&self, key: &str, user: &str) -> Command {
        let known = self.keys.path("rented_hosts");
        std::fs::write(&known, format!("{} {}", self.address, self.host_key)).expect("known_hosts");
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "/dev/null", "-o", "BatchMode=yes"])
            .args(["-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none"])
            .args(["-o", "StrictHostKeyChecking=yes", "-o", "ConnectTimeout=20"])
            .args(["-o", "LogLevel=ERROR", "-o"])
            .arg(format!("UserKnownHostsFile={}", known.display()))
            .arg("-i")
            .arg(self.keys.path(key))
            .arg(format!("{user}@{}", self.address));
        ssh
    }

    pub fn ssh(&self, key: &str, user: &str, line: &str, input: &[u8]) -> Ran {
        run(self.command(key, user).arg(line), input, BOOT)
    }

    /// What the login user's command says.
    ///
    /// # Panics
    /// When it fails.
    pub fn told(&self, line: &str) -> String {
        let ran = self.ssh("user", LOGIN, line, b"");
        assert_eq!(ran.code, 0, "{line}: {}", ran.all());
        ran.stdout.trim().to_owned()
    }

    /// What `remote-root` says.
    pub fn root(&self, words: &str) -> String {
        self.told(&format!("sudo -n /usr/local/sbin/remote-root {words}"))
    }

    /// Starts a session of shell scripts on the machine, as a client would.
    pub fn dispatch(&self, ends: Ends, scripts: &[&str]) -> Endpoint {
        let agent = |(n, script): (usize, &&str)| AgentSpec {
            number: u32::try_from(n).expect("few") + 1,
            name: "sh".to_owned(),
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            resume: Vec::new(),
            env: Default::default(),
            cwd: "".into(),
            size: DEFAULT_SIZE,
            task: String::new(),
            check: None,
            push: None,
            forward_agent: false,
        };
        let launch = Launch {
            again: None,
            spec: SessionSpec {
                id: self.session.clone(),
                name: None,
                task: String::new(),
                provider: "ec2".to_owned(),
                owner: String::new(),
                created: now_ms(),
                ends,
                agents: scripts.iter().enumerate().map(agent).collect(),
                price_microusd_per_hour: 0,
                budget_microusd: None,
                workspace: None,
            },
            keys: None,
            wish: None,
        };
        let request = serde_json::to_vec(&launch).expect("JSON");
        // Not as root: it finds by itself that this is root's.
        let ran = self.ssh("user", LOGIN, &format!("{BINARY} host launch"), &request);
        assert_eq!(ran.code, 0, "{}", ran.all());
        serde_json::from_str(ran.stdout.trim()).expect("an endpoint")
    }

    /// What an agent has written so far.
    pub fn output(&self, endpoint: &Endpoint, agent: u32) -> String {
        self.told(&format!(
            "{BINARY} host logs --dir {} {agent}",
            endpoint.dir
        ))
    }

    /// Opens the host's socket as clients do, through sshd, and asks.
    pub async fn ask(&self, endpoint: &Endpoint, op: Op) -> Outcome {
        let tunnel = Tunnel::open(self, &endpoint.socket);
        let stream = UnixStream::connect(&tunnel.path).await.expect("the socket");
        let mut conn = Conn::<_, ToClient, ToHost>::client(stream, self.session.as_str())
            .await
            .expect("a host");
        let request = ToHost::Request(Request { id: 7, op });
        conn.sender.send(&request).await.expect("asked");
        loop {
            let next = tokio::time::timeout(BOOT, conn.receiver.next());
            match next.await.expect("in time").expect("an answer") {
                Some(ToClient::Reply(reply)) if reply.id == 7 => return reply.outcome,
                Some(_) => {}
                None => panic!("the host closed"),
            }
        }
    }

    /// Watches the session as a client does.
    pub async fn watch(&self, endpoint: &Endpoint) -> Watch {
        let tunnel = Tunnel::open(self, &endpoint.socket);
        let stream = UnixStream::connect(&tunnel.path).await.expect("the socket");
        let mut conn = Conn::client(stream, self.session.as_str())
            .await
            .expect("a host");
        let watch = ToHost::Request(Request {
            id: 8,
            op: Op::Watch,
        });
        conn.sender.send(&watch).await.expect("asked");
        let mut this = Watch {
            _tunnel: tunnel,
            conn,
        };
        this.status(|_| true).await;
        this
    }

    pub async fn status(&self, endpoint: &Endpoint) -> SessionStatus {
        match self.ask(endpoint, Op::Status).await {
            Outcome::Status { status } => *status,
            other => panic!("{other:?}"),
        }
    }

    /// The instance ends by itself; its work volume stays.
    pub async fn ends(&self) {
        let end = await_state(&self.ec2, &self.id, InstanceStateName::Terminated).await;
        assert_eq!(
            end.state_reason.and_then(|r| r.code).as_deref(),
            Some("Client.InstanceInitiatedShutdown")
        );
        let volumes = self.ec2.describe_volumes().volume_ids(&self.volume);
        let volumes = volumes.send().await.expect("it").volumes;
        assert_eq!(volumes.unwrap_or_default().len(), 1, "the work volume");
    }
}

/// A session that is watched.
pub struct Watch {
    _tunnel: Tunnel,
    conn: Conn<UnixStream, ToClient, ToHost>,
}

impl Watch {
    /// The next status that is as wanted.
    async fn status(&mut self, wanted: impl Fn(&SessionStatus) -> bool) -> SessionStatus {
        loop {
            let next = tokio::time::timeout(BOOT, self.conn.receiver.next());
            match next.await.expect("in time").expect("news") {
                Some(ToClient::Event(Event::Status { status })) if wanted(&status) => {
                    return *status;
                }
                Some(ToClient::Ping(n)) => {
                    let pong = ToHost::Pong(n);
                    self.conn.sender.send(&pong).await.expect("answered");
                }
                Some(_) => {}
                None => panic!("the host closed"),
            }
        }
    }

    /// Its last status.
    pub async fn ended(mut self) -> SessionStatus {
        self.status(|s| s.ended.is_some()).await
    }
}

/// What [`render`] makes of a wish.
pub fn user_data(keys: &Keys, session: &SessionId, deadline: Millis, wish: &Wish) -> Vec<u8> {
    let authorized = [keys.text("user.pub").trim().to_owned()];
    let rendered = render(&UserData {
        session,
        deadline,
        login: LOGIN,
        authorized_keys: &authorized,
        host_key_private: &keys.text("host"),
        host_key_public: keys.text("host.pub").trim(),
        handover_within: wish.handover_within,
        sudo: wish.sudo,
    });
    let rendered = rendered.expect("user-data");
    let mut text = String::new();
    let mut unpack = flate2::read::GzDecoder::new(rendered.as_slice());
    unpack.read_to_string(&mut text).expect("gzip");
    let changed = (wish.change)(text.clone());
    if changed == text {
        rendered
    } else {
        let mut packed =
            flate2::read::GzEncoder::new(changed.as_bytes(), flate2::Compression::best());
        let mut bytes = Vec::new();
        packed.read_to_end(&mut bytes).expect("gzip");
        bytes
    }
}

/// A socket here that is the machine's, by way of its sshd.
struct Tunnel {
    ssh: Child,
    path: std::path::PathBuf,
    _dir: tempfile::TempDir,
}

impl Tunnel {
    fn open(rented: &Rented, socket: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("host.sock");
        let mut ssh = rented.command("user", LOGIN);
        ssh.arg("-N")
            .args(["-o", "ExitOnForwardFailure=yes", "-L"])
            .arg(format!("{}:{socket}", path.display()))
            .stdin(Stdio::null());
        let this = Self {
            ssh: ssh.spawn().expect("ssh"),
            path,
            _dir: dir,
        };
        // It is there a moment before anybody listens.
        await_true("the tunnel", BOOT, || {
            std::os::unix::net::UnixStream::connect(&this.path).is_ok()
        });
        this
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.ssh.kill();
        let _ = wait_child(&mut self.ssh, SOON);
    }
}
