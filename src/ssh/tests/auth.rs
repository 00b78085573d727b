//! Keys, certificates, the agent and the ways there, against a real sshd.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::fixture::{Person, Sshd, nobody, run, user};
use crate::ssh::{
    AgentSocket, Connection, HostTrust, Overrides, Resolved, Retry, SshErrorKind, keys, resolve,
};

const KNOWN: HostTrust = HostTrust::KnownHosts;

fn keygen(dir: &Path, name: &str, args: &[&str]) -> std::path::PathBuf {
    let file = dir.join(name);
    run(
        "ssh-keygen",
        &[args, &["-q", "-f", file.to_str().expect("path")]].concat(),
    );
    file
}

fn authorize(sshd: &Sshd, public: &Path) {
    let key = std::fs::read(public).expect("key");
    std::fs::write(sshd.path("authorized"), key).expect("authorized");
}

#[tokio::test]
async fn every_kind_of_key_file() {
    let sshd = Sshd::start();
    let mut r = sshd.resolved();
    Connection::open(&r, &KNOWN, nobody())
        .await
        .expect("ed25519");
    for (name, args) in [
        ("rsa", &["-t", "rsa", "-b", "2048", "-N", ""][..]),
        (
            "rsa_pem",
            &["-t", "rsa", "-b", "2048", "-m", "PEM", "-N", ""][..],
        ),
        ("ecdsa", &["-t", "ecdsa", "-b", "384", "-N", ""][..]),
    ] {
        let file = keygen(sshd.dir.path(), name, args);
        authorize(&sshd, &file.with_extension("pub"));
        r.identity_files = vec![sshd.path("missing"), file];
        Connection::open(&r, &KNOWN, nobody()).await.expect(name);
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_with_what_was_tried() {
    let sshd = Sshd::start();
    let mut r = sshd.resolved();
    keys::save(&sshd.path("wrong"), &keys::generate_ed25519()).expect("save");
    r.identity_files = vec![sshd.path("wrong")];
    let e = Connection::open(&r, &KNOWN, nobody())
        .await
        .expect_err("wrong");
    assert_eq!((e.kind, e.retry()), (SshErrorKind::Auth, Retry::Never));
    assert!(
        e.message.contains("wrong") && e.message.contains("publickey"),
        "{e}"
    );
    r.identity_files = vec![sshd.path("missing")];
    let e = Connection::open(&r, &KNOWN, nobody())
        .await
        .expect_err("none");
    assert!(e.message.contains("no key to try"), "{e}");
}

#[tokio::test]
async fn a_passphrase_is_asked_for_only_where_the_key_would_be_taken() {
    let sshd = Sshd::start();
    let mut r = sshd.resolved();
    let useless = keygen(
        sshd.dir.path(),
        "useless",
        &["-t", "ed25519", "-N", "other"],
    );
    let locked = keygen(
        sshd.dir.path(),
        "locked",
        &["-t", "ed25519", "-N", "secret", "-a", "2"],
    );
    authorize(&sshd, &locked.with_extension("pub"));
    r.identity_files = vec![useless, locked];
    let person = Person::answering(&["wrong", "secret"]);
    Connection::open(&r, &KNOWN, person.clone())
        .await
        .expect("unlocked");
    assert!(
        !person.heard().contains("useless") && person.heard().contains("locked"),
        "{}",
        person.heard()
    );
    let e = Connection::open(&r, &KNOWN, nobody())
        .await
        .expect_err("nobody");
    assert!(e.message.contains("passphrase was not given"), "{e}");
}

struct Agent {
    child: Child,
    socket: std::path::PathBuf,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Agent {
    fn start(dir: &Path) -> Self {
        let socket = dir.join("agent.sock");
        let mut child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .expect("ssh-agent");
        // It prints its variables once it listens.
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout"))
            .read_line(&mut line)
            .expect("ready");
        Self { child, socket }
    }

    fn add(&self, key: &Path) {
        let out = Command::new("ssh-add")
            .arg(key)
            .env("SSH_AUTH_SOCK", &self.socket)
            .output()
            .expect("ssh-add");
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
}

#[tokio::test]
async fn the_agents_keys_and_identities_only() {
    let sshd = Sshd::start();
    let agent = Agent::start(sshd.dir.path());
    let mut r = sshd.resolved();
    for i in 0..3 {
        agent.add(&keygen(
            sshd.dir.path(),
            &format!("k{i}"),
            &["-t", "ed25519", "-N", ""],
        ));
    }
    let rsa = keygen(
        sshd.dir.path(),
        "agent_rsa",
        &["-t", "rsa", "-b", "2048", "-N", ""],
    );
    agent.add(&rsa);
    authorize(&sshd, &rsa.with_extension("pub"));
    std::fs::remove_file(&rsa).expect("only in the agent now");
    r.agent = AgentSocket::Path(agent.socket.clone());
    r.identity_files.clear();
    r.identities_only = false;
    Connection::open(&r, &KNOWN, nobody())
        .await
        .expect("by the agent");
    r.identities_only = true;
    let e = Connection::open(&r, &KNOWN, nobody())
        .await
        .expect_err("not named");
    assert!(e.message.contains("no key to try"), "{e}");
    r.identity_files = vec![rsa];
    Connection::open(&r, &KNOWN, nobody())
        .await
        .expect("named by its .pub");
}

#[tokio::test]
async fn certificates_on_disk_with_the_key_on_disk_or_in_the_agent() {
    let sshd = Sshd::with("TrustedUserCAKeys DIR/ca.pub", |dir| {
        keygen(dir, "ca", &["-t", "ed25519", "-N", ""]);
    });
    std::fs::write(sshd.path("authorized"), "").expect("nobody by key");
    let agent = Agent::start(sshd.dir.path());
    let mut r = sshd.resolved();
    for (name, kind) in [("mine", "ed25519"), ("mine_rsa", "rsa")] {
        let key = keygen(sshd.dir.path(), name, &["-t", kind, "-N", ""]);
        let path = |p: &Path| p.to_str().expect("path").to_owned();
        run(
            "ssh-keygen",
            &[
                "-q",
                "-s",
                &path(&sshd.path("ca")),
                "-I",
                "me",
                "-n",
                &user(),
                &path(&key.with_extension("pub")),
            ],
        );
        let certificate = sshd.path(&format!("{name}-cert.pub"));
        // Found beside its key.
        r.identity_files = vec![key.clone()];
        r.agent = AgentSocket::Disabled;
        Connection::open(&r, &KNOWN, nobody()).await.expect(name);
        // Named, with the key in the agent alone.
        let elsewhere = sshd.path(&format!("{name}.elsewhere"));
        std::fs::rename(&certificate, &elsewhere).expect("rename");
        agent.add(&key);
        r.identity_files = vec![];
        r.certificate_files = vec![elsewhere];
        r.agent = AgentSocket::Path(agent.socket.clone());
        Connection::open(&r, &KNOWN, nobody())
            .await
            .expect("by the agent");
    }
}

/// The whole of a user's configuration: through a jump host, and through a command.
#[tokio::test]
async fn over_a_jump_host_and_through_a_command() {
    let (jump, end) = (Sshd::start(), Sshd::start());
    std::fs::copy(jump.path("client"), end.path("jump_key")).expect("copy");
    let known = end.path("both");
    std::fs::write(&known, jump.known_line() + &end.known_line()).expect("write");
    let config = end.path("config");
    let (d, me) = (end.dir.path().display(), user());
    let text = format!(
        "Host end\n HostName 127.0.0.1\n Port {}\n IdentityFile {d}/client\n ProxyJump jump\nHost command\n HostName 127.0.0.1\n Port {}\n IdentityFile {d}/client\n ProxyCommand ssh -F {d}/config -W %h:%p jump\nHost broken\n HostName 127.0.0.1\n ProxyCommand echo it does not work >&2; exit 1\nHost jump\n HostName 127.0.0.1\n Port {}\n IdentityFile {d}/jump_key\nHost *\n User {me}\n IdentitiesOnly yes\n UserKnownHostsFile {d}/both\n GlobalKnownHostsFile none\n",
        end.port, end.port, jump.port
    );
    std::fs::write(&config, text).expect("config");
    for without_ssh in [false, true] {
        let overrides = Overrides {
            config_file: Some(config.clone()),
            without_ssh,
            ..Overrides::default()
        };
        for name in ["end", "command"] {
            let r = resolve(name, &overrides).await.expect("resolve");
            let connection = Connection::open(&r, &KNOWN, nobody()).await.expect(name);
            let out = connection
                .exec("echo $SSH_CONNECTION", None)
                .await
                .expect("exec")
                .output(1 << 20)
                .await
                .expect("output");
            assert!(String::from_utf8_lossy(&out.stdout).contains(&end.port.to_string()));
        }
        let person = nobody();
        let r = resolve("broken", &overrides).await.expect("resolve");
        let e = Connection::open(&r, &KNOWN, person.clone())
            .await
            .expect_err("broken");
        assert_eq!(e.kind, SshErrorKind::Unreachable, "{e:?}");
    }
}

#[tokio::test]
async fn nobody_there_and_limits_are_told_apart() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let port = listener.local_addr().expect("address").port();
    let mut r = Resolved::direct("127.0.0.1", port, "me", "/none".into());
    r.connect_timeout = Some(std::time::Duration::from_millis(300));
    let e = Connection::open(&r, &KNOWN, nobody())
        .await
        .expect_err("mute");
    assert_eq!(
        (e.kind, e.retry()),
        (SshErrorKind::Timeout, Retry::Soon),
        "{e:?}"
    );
    drop(listener);
    let e = Connection::open(&r, &KNOWN, nobody())
        .await
        .expect_err("refused");
    assert_eq!((e.kind, e.retry()), (SshErrorKind::Refused, Retry::Soon));
    r.host = "no-such-host.invalid".into();
    r.connect_timeout = None;
    let e = Connection::open(&r, &KNOWN, nobody())
        .await
        .expect_err("no name");
    assert_eq!(
        (e.kind, e.retry()),
        (SshErrorKind::Unreachable, Retry::Soon)
    );

    let sshd = Sshd::limited(1);
    let mut first = tokio::net::TcpStream::connect(("127.0.0.1", sshd.port))
        .await
        .expect("connect");
    // Its banner says that it is counted.
    tokio::io::AsyncReadExt::read_u8(&mut first)
        .await
        .expect("banner");
    let e = Connection::open(&sshd.resolved(), &KNOWN, nobody())
        .await
        .expect_err("full");
    assert_eq!(
        (e.kind, e.retry()),
        (SshErrorKind::Busy, Retry::Later),
        "{e:?}"
    );
}
