//! Older and newer hosts: what a client says to one that it does not understand, and that it understands
//! the one before. The hosts are played here, on the socket of a session whose real host was killed.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use bytes::BytesMut;
use remote_compute::model::SessionStatus;
use remote_compute::proto::{
    HEADER, Hello, Message, Op, Outcome, PROTOCOL, RawFrame, Reply, ToClient, ToHost, Version,
    decode_header,
};

use crate::agents::says;
use crate::common::env::TestEnv;
use crate::common::process::Ran;
use crate::common::sshd::{Sshd, SshdOptions};

pub fn send(stream: &mut UnixStream, message: &ToClient) {
    let mut out = BytesMut::new();
    message.encode(&mut out).expect("a frame");
    let _ = stream.write_all(&out);
}

pub fn receive(stream: &mut UnixStream) -> Option<ToHost> {
    loop {
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).ok()?;
        let (kind, length) = decode_header(header).ok()?;
        let mut body = vec![0; length];
        stream.read_exact(&mut body).ok()?;
        let body = body.into();
        if let Some(message) = ToHost::decode(RawFrame { kind, body }).ok()? {
            return Some(message);
        }
    }
}

/// Says hello as `protocol` and answers `status` with `status`.
fn play(mut stream: UnixStream, protocol: Version, status: &SessionStatus) {
    while let Some(message) = receive(&mut stream) {
        match message {
            ToHost::Hello(_) => send(
                &mut stream,
                &ToClient::Hello(Hello {
                    protocol,
                    software: "remote 9.9.9".to_owned(),
                    who: String::new(),
                }),
            ),
            ToHost::Request(request) => {
                let outcome = match request.op {
                    Op::Status | Op::Watch => Outcome::Status {
                        status: Box::new(status.clone()),
                    },
                    _ => Outcome::Done,
                };
                let id = request.id;
                send(&mut stream, &ToClient::Reply(Reply { id, outcome }));
            }
            ToHost::Ping(n) => send(&mut stream, &ToClient::Pong(n)),
            _ => {}
        }
    }
}

/// A session over ssh whose host is replaced by one that speaks `protocol`; then runs `args` (`SESSION`
/// stands for its name).
fn with_host(protocol: Version, args: &[&str]) -> Ran {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    let command = says("here");
    let session = client.dispatch(&["--provider", "ssh", "--host", "box", "--command", &command]);
    server.await_status("its output", &session, |s| {
        s.agents.iter().all(|a| a.bytes > 2)
    });
    let endpoint = server.endpoint(&session);
    let mut status = server.last(&session).expect("last.json");
    status.version = "9.9.9".to_owned();
    server.kill_host(&session);
    std::fs::remove_file(&endpoint.socket).expect("the dead host's socket");
    let listener = UnixListener::bind(&endpoint.socket).expect("a socket in its place");
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let status = status.clone();
            std::thread::spawn(move || play(stream, protocol, &status));
        }
    });
    let args: Vec<&str> = args
        .iter()
        .map(|a| if *a == "SESSION" { session.as_str() } else { a })
        .collect();
    let ran = client.run(&args);
    // So that nothing asks this host to end itself.
    let _ = std::fs::remove_file(&endpoint.socket);
    ran
}

#[test]
fn a_newer_host_is_refused_with_the_remedy() {
    let major = PROTOCOL.major + 1;
    let ran = with_host(Version { major, minor: 0 }, &["send", "SESSION", "hello"]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    let text = &ran.stderr;
    assert!(text.contains(&format!("{major}.0")), "{text}");
    assert!(text.contains(&PROTOCOL.to_string()), "{text}");
    assert!(text.contains("remote host upgrade"), "{text}");
}

#[test]
fn the_previous_minor_version_is_understood() {
    let protocol = Version {
        major: PROTOCOL.major,
        minor: PROTOCOL.minor.saturating_sub(1),
    };
    let ran = with_host(protocol, &["status", "SESSION"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("session-"), "{}", ran.all());
}

#[test]
fn a_newer_minor_version_is_understood() {
    let protocol = Version {
        major: PROTOCOL.major,
        minor: PROTOCOL.minor + 7,
    };
    let ran = with_host(protocol, &["status", "--json", "SESSION"]);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("9.9.9"), "{}", ran.all());
}

#[test]
fn something_that_is_no_host_is_an_error_and_no_hang() {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    let command = says("here");
    let session = client.dispatch(&["--provider", "ssh", "--host", "box", "--command", &command]);
    let endpoint = server.endpoint(&session);
    server.kill_host(&session);
    std::fs::remove_file(&endpoint.socket).expect("the dead host's socket");
    let listener = UnixListener::bind(&endpoint.socket).expect("a socket in its place");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n and much more of this");
        }
    });
    let ran = client.run(&["send", &session, "hello"]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(!ran.stderr.contains("panicked"), "{}", ran.all());
    let _ = std::fs::remove_file(&endpoint.socket);
}
