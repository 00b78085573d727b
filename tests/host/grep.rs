//! `remote grep`: lines of all agents' histories, live and over, here and behind SSH.

use std::os::unix::net::UnixListener;

use remote_compute::model::{HistoryKind, LogRecord, SessionStatus};
use remote_compute::proto::{
    ErrorCode, Hello, Op, Outcome, PROTOCOL, Reply, ToClient, ToHost, Version, WireError,
};

use crate::agents::{says, sh};
use crate::common::SOON;
use crate::common::env::TestEnv;
use crate::common::process::run;
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::USUAL;
use crate::versions::{receive, send};

fn short(session: &str) -> &str {
    session.strip_prefix("session-").unwrap_or(session)
}

fn lines(text: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines
}

/// A session that has printed `1`, `2`, ... `count` lines `n: word`, in colours, and stays.
fn counting(env: &TestEnv, count: u32) -> String {
    let script = format!(
        "n=0; while [ $n -lt {count} ]; do n=$((n+1)); printf '\\033[3%dm%d\\033[m: li''ne\\n' $((n%8)) $n; done; \
         printf 'Al''l don''e\\n'; exec sleep 600"
    );
    let session = env.dispatch(&["--command", &sh(&script)]);
    let of = |n: u32| 16 + u64::try_from(n.to_string().len()).expect("a length");
    let all = (1..=count).map(of).sum::<u64>() + 10;
    env.await_status("its end", &session, |s| {
        s.agents.iter().all(|a| a.bytes >= all)
    });
    session
}

#[test]
fn lines_of_live_and_of_ended_sessions_are_found_as_grep_prints_them() {
    let env = TestEnv::new();
    let one = counting(&env, 30);
    let two = env.dispatch(&[
        "-n",
        "2",
        "--command",
        &sh("printf 'a li''ne of $REMOTE\\n'; exit 0"),
    ]);
    env.await_status("its end", &two, |s| s.ended.is_some());
    let (a, b) = (short(&one), short(&two));

    // Neither escapes nor their absence hide anything; a small pattern finds either case.
    let ran = env.ok(&["grep", "^1[23]: line|line of"]);
    let all = [
        format!("{a}/1:12: 12: line"),
        format!("{a}/1:13: 13: line"),
        format!("{b}/1:1: a line of $REMOTE"),
        format!("{b}/2:1: a line of $REMOTE"),
    ];
    let mut all: Vec<&str> = all.iter().map(String::as_str).collect();
    all.sort_unstable();
    assert_eq!(lines(&ran.stdout), all, "{}", ran.all());
    assert_eq!(ran.stderr, "");

    // Found, not found, wrong.
    assert_eq!(env.run(&["grep", "all DONE"]).code, 1);
    assert_eq!(env.run(&["grep", "-i", "all DONE"]).code, 0);
    assert_eq!(env.run(&["grep", "All done", &one]).code, 0);
    assert_eq!(env.run(&["grep", "-s", "all done", &one]).code, 1);
    let ran = env.run(&["grep", "a(", &one]);
    assert!(
        ran.code == 2 && ran.stderr.contains("unclosed group"),
        "{}",
        ran.all()
    );
    assert_eq!(env.run(&["grep", "-F", "a(", &one]).code, 1);
    assert_eq!(env.run(&["grep", "x", "nosuchsession"]).code, 2);
    let ran = env.run(&["grep", "x", &format!("{one}/7")]);
    assert!(
        ran.code == 2 && ran.stderr.contains("no agent 7"),
        "{}",
        ran.all()
    );

    // Counts, names, the first, those around.
    let ran = env.ok(&["grep", "-c", "line"]);
    let counts = [format!("{a}/1:30"), format!("{b}/1:1"), format!("{b}/2:1")];
    let mut counts: Vec<&str> = counts.iter().map(String::as_str).collect();
    counts.sort_unstable();
    assert_eq!(lines(&ran.stdout), counts);
    assert_eq!(
        env.ok(&["grep", "-l", "12: line"]).stdout,
        format!("{a}/1\n")
    );
    let ran = env.ok(&["grep", "-m", "2", "line", &one]);
    assert_eq!(ran.stdout, format!("{a}/1:1: 1: line\n{a}/1:2: 2: line\n"));
    let ran = env.ok(&["grep", "-C", "1", "^(5|20):", &format!("{one}/1")]);
    let around = format!(
        "{a}/1-4- 4: line\n{a}/1:5: 5: line\n{a}/1-6- 6: line\n--\n\
         {a}/1-19- 19: line\n{a}/1:20: 20: line\n{a}/1-21- 21: line\n"
    );
    assert_eq!(ran.stdout, around);
    let ran = env.ok(&["grep", "--color", "always", "^7:", &one]);
    assert!(
        ran.stdout.contains("\x1b[31m7:\x1b[0m line"),
        "{:?}",
        ran.stdout
    );

    // JSON and times.
    let ran = env.ok(&["grep", "--json", "-A", "1", "^7: l", &one]);
    let found: Vec<serde_json::Value> = ran
        .stdout
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0]["line"], &found[0]["text"]),
        (&7.into(), &"7: line".into())
    );
    assert_eq!(found[0]["matches"], serde_json::json!([[0, 4]]));
    assert_eq!(found[1]["matches"], serde_json::json!([]));
    assert_eq!(found[0]["session"], one.as_str());
    let at = found[0]["at"].as_u64().expect("a time");
    assert!(
        remote_compute::model::now_ms().abs_diff(at) < 600_000,
        "{at}"
    );
    let ran = env.ok(&["grep", "--time", "^7:", &one]);
    assert!(
        ran.stdout.contains("T") && ran.stdout.contains("Z: 7: line"),
        "{}",
        ran.stdout
    );
    // The other spelling.
    let ran = env.ok(&["aliases", "bash"]);
    assert!(ran.stdout.contains("remote.grep"), "{}", ran.stdout);
}

#[test]
fn on_a_terminal_there_are_headings_and_ctrl_c_ends_it() {
    let env = TestEnv::new();
    let one = env.dispatch(&["--name", "auth", "--command", &says("HELLO-FROM-ONE")]);
    let two = env.dispatch(&["--command", &says("HELLO-FROM-TWO")]);
    for session in [&one, &two] {
        env.await_status("its word", session, |s| {
            s.agents.iter().all(|a| a.bytes > 14)
        });
    }
    let mut t = env.terminal(&["grep", "hello-from"], USUAL);
    assert_eq!(t.wait_exit(), 0);
    let text = t.text().join("\n");
    assert!(
        text.contains(&format!("{}/1 auth\n1 ", short(&one))),
        "{text}"
    );
    assert!(text.contains(": HELLO-FROM-TWO"), "{text}");

    // A machine that does not answer holds it up until Ctrl-C.
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    client.dispatch(&[
        "--provider",
        "ssh",
        "--host",
        "box",
        "--command",
        &says("FAR-AWAY"),
    ]);
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("its number").port();
    client.use_sshd(&sshd, port);
    let mut t = client.terminal(&["grep", "far"], USUAL);
    let (_held, _) = silent.accept().expect("the connection");
    t.send("\x03");
    assert_eq!(t.wait_exit(), 130);
    client.use_sshd(&sshd, sshd.port);
    client.ok(&["terminate", "--all", "--yes"]);
}

#[test]
fn machines_that_cannot_be_reached_are_a_warning_and_the_others_are_searched() {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    let far = client.dispatch(&[
        "--provider",
        "ssh",
        "--host",
        "box",
        "--command",
        &says("WORD-FAR"),
    ]);
    let near = client.dispatch(&["--command", &says("WORD-NEAR")]);
    client.await_status("its word", &near, |s| s.agents.iter().all(|a| a.bytes > 8));
    server.await_status("its word", &far, |s| s.agents.iter().all(|a| a.bytes > 8));
    let ran = client.ok(&["grep", "^word"]);
    let both = [
        format!("{}/1:1: WORD-FAR", short(&far)),
        format!("{}/1:1: WORD-NEAR", short(&near)),
    ];
    let mut both: Vec<&str> = both.iter().map(String::as_str).collect();
    both.sort_unstable();
    assert_eq!(lines(&ran.stdout), both, "{}", ran.all());
    // Nothing listens there any more.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = gone.local_addr().expect("its number").port();
    drop(gone);
    client.use_sshd(&sshd, port);
    let ran = client.run(&["grep", "^word"]);
    assert_eq!(ran.code, 2, "{}", ran.all());
    assert_eq!(
        ran.stdout,
        format!("{}/1:1: WORD-NEAR\n", short(&near)),
        "{}",
        ran.all()
    );
    assert!(
        ran.stderr.contains("Warning:") && ran.stderr.contains(&far),
        "{}",
        ran.all()
    );
    // Its end, and what is left of it there is found when it is named.
    client.use_sshd(&sshd, sshd.port);
    client.ok(&["terminate", "--yes", &far]);
    let ran = client.ok(&["grep", "^word", &far]);
    assert_eq!(
        ran.stdout,
        format!("{}/1:1: WORD-FAR\n", short(&far)),
        "{}",
        ran.all()
    );
}

/// A host from before: it refuses searches, and has two lines.
fn old_host(mut stream: std::os::unix::net::UnixStream, protocol: Version, status: &SessionStatus) {
    while let Some(message) = receive(&mut stream) {
        let ToHost::Request(request) = message else {
            if let ToHost::Hello(_) = message {
                let hello = Hello {
                    protocol,
                    software: "remote 0.0.9".to_owned(),
                    who: String::new(),
                };
                send(&mut stream, &ToClient::Hello(hello));
            }
            continue;
        };
        let outcome = match request.op {
            Op::Status => Outcome::Status {
                status: Box::new(status.clone()),
            },
            Op::Logs { .. } => {
                let mut bytes = Vec::new();
                let record = LogRecord {
                    offset: 0,
                    at: 1_700_000_000_000,
                    kind: HistoryKind::Output,
                    bytes: "one\r\nan ol\x1b[1md\x1b[m line\r\n".into(),
                };
                record.encode(&mut bytes);
                let data = ToClient::Data {
                    request: request.id,
                    bytes: bytes.into(),
                };
                send(&mut stream, &data);
                Outcome::Done
            }
            _ => Outcome::Failed {
                error: WireError::new(
                    ErrorCode::Unsupported,
                    "this host does not know that request",
                ),
            },
        };
        let reply = Reply {
            id: request.id,
            outcome,
        };
        send(&mut stream, &ToClient::Reply(reply));
    }
}

#[test]
fn a_host_that_is_too_old_to_search_is_read() {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    let session = client.dispatch(&[
        "--provider",
        "ssh",
        "--host",
        "box",
        "--command",
        &says("here"),
    ]);
    server.await_status("its output", &session, |s| {
        s.agents.iter().all(|a| a.bytes > 2)
    });
    let endpoint = server.endpoint(&session);
    let status = server.last(&session).expect("last.json");
    server.kill_host(&session);
    for minor in [PROTOCOL.minor, 2] {
        let _ = std::fs::remove_file(&endpoint.socket);
        let listener = UnixListener::bind(&endpoint.socket).expect("a socket in its place");
        let status = status.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let status = status.clone();
                let protocol = Version {
                    major: PROTOCOL.major,
                    minor,
                };
                std::thread::spawn(move || old_host(stream, protocol, &status));
            }
        });
        let ran = client.ok(&["grep", "old", &session]);
        assert_eq!(
            ran.stdout,
            format!("{}/1:2: an old line\n", short(&session)),
            "{}",
            ran.all()
        );
    }
    // So that nothing asks this host to end itself.
    let _ = std::fs::remove_file(&endpoint.socket);
}

#[test]
fn secrets_are_not_found() {
    let mut env = TestEnv::new();
    env.set("REMOTE_PASSPHRASE", "open sesame");
    let mut set = env.remote(&["secret", "set", "GREP_TOKEN"]);
    let ran = run(&mut set, b"s3cr3t-v4lue-of-grep\n", SOON);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let command = sh("printf 'it is %s\\n' \"$GREP_TOKEN\"; exec sleep 600");
    let one = env.dispatch(&["--secret", "GREP_TOKEN", "--command", &command]);
    env.await_status("its word", &one, |s| s.agents.iter().all(|a| a.bytes > 8));
    assert_eq!(
        env.run(&["grep", "-F", "s3cr3t-v4lue-of-grep", &one]).code,
        1
    );
    let ran = env.ok(&["grep", "^it is", &one]);
    assert!(
        ran.stdout.contains("****") && !ran.stdout.contains("v4lue"),
        "{}",
        ran.stdout
    );
}
