//! Trust in hosts, against a real sshd.

use super::fixture::{Person, Sshd, nobody, run};
use crate::ssh::{Connection, HostTrust, Resolved, Retry, SshErrorKind, Strict, keys};

async fn open(
    r: &Resolved,
    person: &std::sync::Arc<Person>,
) -> Result<Connection, crate::ssh::SshError> {
    Connection::open(r, &HostTrust::KnownHosts, person.clone()).await
}

#[tokio::test]
async fn an_unknown_host_is_asked_about_once() {
    let sshd = Sshd::start();
    let mut r = sshd.resolved();
    r.known_hosts = vec![sshd.path("new/known_hosts")];
    let person = Person::answering(&["maybe", "no"]);
    let e = open(&r, &person).await.expect_err("declined");
    assert_eq!(
        (e.kind, e.retry()),
        (SshErrorKind::HostKeyUnknown, Retry::Never)
    );
    let fingerprint = run(
        "ssh-keygen",
        &["-lf", sshd.path("host").to_str().expect("path")],
    );
    let fingerprint = fingerprint.split(' ').nth(1).expect("fingerprint");
    assert!(person.heard().contains(fingerprint), "{}", person.heard());
    open(&r, &nobody()).await.expect_err("nobody answers");

    r.hash_known_hosts = true;
    open(&r, &Person::answering(&[fingerprint]))
        .await
        .expect("the fingerprint typed");
    let person = nobody();
    open(&r, &person).await.expect("recorded");
    assert_eq!(person.heard(), "");
    let text = std::fs::read_to_string(sshd.path("new/known_hosts")).expect("known_hosts");
    assert!(text.starts_with("|1|"), "{text}");
    let name = format!("[127.0.0.1]:{}", sshd.port);
    run(
        "ssh-keygen",
        &[
            "-F",
            &name,
            "-f",
            sshd.path("new/known_hosts").to_str().expect("path"),
        ],
    );
}

#[tokio::test]
async fn strictness_decides_about_unknown_hosts() {
    let sshd = Sshd::start();
    let mut r = sshd.resolved();
    r.known_hosts = vec![sshd.path("kh2")];
    r.strict = Strict::Yes;
    let person = Person::answering(&["yes"]);
    open(&r, &person).await.expect_err("strict");
    assert_eq!(person.heard(), "");
    r.strict = Strict::AcceptNew;
    open(&r, &nobody()).await.expect("accepted");
    r.strict = Strict::Yes;
    open(&r, &nobody()).await.expect("recorded");
}

#[tokio::test]
async fn a_changed_key_is_refused_and_the_line_is_named() {
    let sshd = Sshd::start();
    let mut r = sshd.resolved();
    let other = keys::public_line(&keys::generate_ed25519());
    let line = format!("# first\n[127.0.0.1]:{} {other}\n", sshd.port);
    std::fs::write(sshd.path("known_hosts"), line).expect("write");
    r.strict = Strict::AcceptNew;
    let person = Person::answering(&["yes"]);
    let e = open(&r, &person).await.expect_err("changed");
    assert_eq!(
        (e.kind, e.retry()),
        (SshErrorKind::HostKeyChanged, Retry::Never)
    );
    assert!(e.message.contains("known_hosts:2"), "{e}");
    assert!(
        e.hints
            .iter()
            .any(|h| h.contains("ssh-keygen") && h.contains("-R '[127.0.0.1]:")),
        "{:?}",
        e.hints
    );
    assert_eq!(person.heard(), "");

    std::fs::write(
        sshd.path("known_hosts"),
        format!(
            "{}@revoked * {}\n",
            sshd.known_line(),
            keys::public_line(&sshd.host_key)
        ),
    )
    .expect("write");
    assert_eq!(
        open(&r, &person).await.expect_err("revoked").kind,
        SshErrorKind::Revoked
    );
}

#[tokio::test]
async fn the_server_is_asked_for_the_type_of_key_that_is_recorded() {
    let sshd = Sshd::with("HostKey DIR/host_rsa", |dir| {
        let file = dir.join("host_rsa");
        run(
            "ssh-keygen",
            &[
                "-q",
                "-t",
                "rsa",
                "-b",
                "2048",
                "-N",
                "",
                "-f",
                file.to_str().expect("path"),
            ],
        );
    });
    let r = sshd.resolved();
    let rsa = std::fs::read_to_string(sshd.path("host_rsa.pub")).expect("rsa");
    std::fs::write(
        sshd.path("known_hosts"),
        format!("[127.0.0.1]:{} {rsa}", sshd.port),
    )
    .expect("write");
    open(&r, &nobody()).await.expect("by its rsa key");
    // Recorded for the bare name: good for a port of its own as well.
    std::fs::write(sshd.path("known_hosts"), format!("127.0.0.1,other {rsa}")).expect("write");
    open(&r, &nobody()).await.expect("by its bare name");
    let sshd = Sshd::start();
    let r = sshd.resolved();
    std::fs::write(
        sshd.path("known_hosts"),
        format!("[127.0.0.1]:{} {rsa}", sshd.port),
    )
    .expect("write");
    let person = Person::answering(&["no"]);
    open(&r, &person)
        .await
        .expect_err("another type is asked about");
    assert!(
        person.heard().contains("other types are already known"),
        "{}",
        person.heard()
    );
}

#[tokio::test]
async fn a_pinned_key_is_the_only_one_and_nobody_is_asked() {
    let sshd = Sshd::start();
    let mut r = sshd.resolved();
    r.known_hosts.clear();
    let pin = HostTrust::Pinned(keys::public_line(&sshd.host_key));
    Connection::open(&r, &pin, nobody()).await.expect("pinned");
    let pin = HostTrust::Pinned(keys::public_line(&keys::generate_ed25519()));
    let person = Person::answering(&["yes"]);
    let e = Connection::open(&r, &pin, person.clone())
        .await
        .expect_err("another key");
    assert_eq!(e.kind, SshErrorKind::HostKeyChanged);
    assert_eq!(person.heard(), "");
}

#[tokio::test]
async fn host_certificates_are_judged_by_authority_name_and_time() {
    for (name, validity, good) in [
        ("127.0.0.1", "+1h", true),
        ("elsewhere", "+1h", false),
        ("127.0.0.1", "20200101:20200102", false),
    ] {
        let sshd = Sshd::with("HostCertificate DIR/host-cert.pub", |dir| {
            let path = |name: &str| dir.join(name).to_str().expect("path").to_owned();
            run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &path("ca")],
            );
            run("ssh-keygen", &["-y", "-f", &path("host")]);
            let public = run("ssh-keygen", &["-y", "-f", &path("host")]);
            std::fs::write(path("host.pub"), public).expect("write");
            run(
                "ssh-keygen",
                &[
                    "-q",
                    "-s",
                    &path("ca"),
                    "-h",
                    "-I",
                    "h",
                    "-n",
                    name,
                    "-V",
                    validity,
                    &path("host.pub"),
                ],
            );
        });
        let r = sshd.resolved();
        let ca = std::fs::read_to_string(sshd.path("ca.pub")).expect("ca");
        std::fs::write(sshd.path("known_hosts"), format!("@cert-authority * {ca}")).expect("write");
        let person = nobody();
        let result = open(&r, &person).await;
        assert_eq!(result.is_ok(), good, "{name} {validity}: {result:?}");
        assert_eq!(person.heard(), "");
        std::fs::write(
            sshd.path("known_hosts"),
            format!("@cert-authority * {ca}@revoked * {ca}"),
        )
        .expect("write");
        assert_eq!(
            open(&r, &person).await.expect_err("revoked").kind,
            SshErrorKind::Revoked
        );
        // An authority that is not ours: the bare key counts, and it is recorded.
        std::fs::write(sshd.path("known_hosts"), sshd.known_line() + "@cert-authority * ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ\n").expect("write");
        open(&r, &person).await.expect("its bare key is recorded");
    }
}
