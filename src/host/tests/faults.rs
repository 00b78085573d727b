//! Agents that do not want to end, hosts that died, and requests that cannot be met.

use super::lifecycle::failed;
use super::*;
use crate::host::processes;
use crate::model::{AgentState, Evidence, Source};
use crate::proto::{ErrorCode, Key};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_ignores_signals_is_killed() {
    let script = "trap '' HUP TERM; echo ready; while :; do sleep 1; done";
    let session = Session::start(vec![sh(1, script), agent(2, &["cat"])], Ends::default()).await;
    let mut c = session.attach(attach(1, 1, SIZE, None)).await;
    c.until_text("ready").await;
    let killed = session
        .ask(Op::Kill {
            agent: 1,
            grace_ms: Some(200),
        })
        .await;
    assert_eq!(killed, Outcome::Done);
    c.until("its end", |c| c.ended.is_some()).await;
    let state = c.ended.as_ref().map(|e| e.state);
    assert_eq!(state, Some(AgentState::Exited { code: 137 }));
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_left_behind_ends_with_the_session() {
    // A daemon in a session of its own, and one that keeps the terminal open.
    let script =
        "trap '' HUP; setsid sleep 7171 </dev/null >/dev/null 2>&1 & sleep 7272 & echo up; exit 4";
    let session = Session::start(vec![sh(1, script), agent(2, &["cat"])], Ends::default()).await;
    session
        .until("its exit", |s| {
            s.agents[0].state == AgentState::Exited { code: 4 }
        })
        .await;
    // The shell had started both before it ended, but they may not have become what they are to be.
    let id = session.status().await.spec.id.to_string();
    let left = || {
        processes::all()
            .iter()
            .filter(|p| !p.zombie && processes::marks(p.pid).is_some_and(|(s, _)| s == id))
            .count()
    };
    assert!(left() >= 2);
    session.terminate().await;
    assert_eq!(left(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_host_on_the_same_directory_is_refused() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let second = run(session.dir.clone(), RunOptions::default()).await;
    let error = second.expect_err("refused");
    assert!(
        error.message.contains(&std::process::id().to_string()),
        "{error}"
    );
    assert!(session.endpoint.socket.exists());
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_started_says_why_and_hurts_nobody() {
    let mut lost = agent(2, &["cat"]);
    lost.cwd = "/no/such/place".into();
    let agents = vec![agent(1, &["cat"]), lost, agent(3, &["no-such-program"])];
    let session = Session::start(agents, Ends::default()).await;
    let status = session.status().await;
    for (n, why) in [(1, "/no/such/place"), (2, "no-such-program")] {
        let agent = &status.agents[n];
        assert_eq!(agent.state, AgentState::Exited { code: 127 });
        let message = agent.evidence.message.as_deref().unwrap_or_default();
        assert!(message.contains(why), "{message}");
    }
    assert!(!status.agents[0].state.is_over());
    let one_more = session
        .ask(Op::Spawn {
            agent: agent(0, &["nor-this-one"]),
        })
        .await;
    assert_eq!(failed(one_more), ErrorCode::Spawn);
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_hosts_agents_are_lost_readable_and_can_be_started_again() {
    let first = Session::start(
        vec![sh(1, "echo before; read x; echo after $x; read y")],
        Ends::default(),
    )
    .await;
    first.until("its output", |s| s.agents[0].bytes >= 8).await;
    let mut last = first.status().await;
    let copy = tempfile::tempdir().expect("a directory");
    let dir = SessionDir::new(copy.path());
    // As a host that was killed leaves it: a history, and a last word of agents that run.
    last.agents[0].evidence = Evidence {
        source: Source::Activity,
        at: 1,
        message: None,
        progress: None,
    };
    files::write_json(&dir.spec(), &last.spec).expect("written");
    files::write_json(&dir.last(), &last).expect("written");
    files::make_private_dir(&dir.agent(1)).expect("made");
    for entry in std::fs::read_dir(first.dir.agent(1))
        .expect("lists")
        .flatten()
    {
        std::fs::copy(entry.path(), dir.agent(1).join(entry.file_name())).expect("copied");
    }
    first.terminate().await;
    let second = Session::over(dir).await;
    let status = second.status().await;
    assert_eq!(status.agents[0].state, AgentState::Lost);
    let Outcome::Text { lines } = second.ask(Op::Screen { agent: 1 }).await else {
        panic!("no screen");
    };
    assert!(lines.iter().any(|l| l == "before"), "{lines:?}");
    let started = second
        .ask(Op::Restart {
            agent: 1,
            fresh: false,
        })
        .await;
    assert!(matches!(started, Outcome::Agent { .. }), "{started:?}");
    let mut c = second.attach(attach(1, 1, SIZE, None)).await;
    c.type_in(1, b"again\n").await;
    c.until_text("after again").await;
    second.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_clients_request_is_answered_not_fatal() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    assert_eq!(
        failed(session.ask(Op::Unknown).await),
        ErrorCode::Unsupported
    );
    let upgrade = Op::Upgrade {
        path: "/bin/false".into(),
    };
    assert_eq!(failed(session.ask(upgrade).await), ErrorCode::BadRequest);
    let wrong = Op::Send {
        agent: 1,
        text: String::new(),
        keys: vec![Key("Hyper-x".into())],
    };
    assert_eq!(failed(session.ask(wrong).await), ErrorCode::BadRequest);
    assert_eq!(
        session
            .ask(Op::Rename {
                name: "mine".into()
            })
            .await,
        Outcome::Done
    );
    assert_eq!(session.status().await.spec.name.as_deref(), Some("mine"));
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_tasks_of_many_agents_still_have_a_status() {
    let long = "x".repeat(100_000);
    let agents = (1..=12)
        .map(|n| AgentSpec {
            task: long.clone(),
            check: None,
            push: None,
            ..agent(n, &["sh", "-c", "exec cat", &long])
        })
        .collect();
    let session = Session::start(agents, Ends::default()).await;
    let status = session.status().await;
    assert_eq!(status.agents.len(), 12);
    assert!(status.agents[11].argv[3].starts_with("xxx"));
    let started = session
        .ask(Op::Restart {
            agent: 3,
            fresh: true,
        })
        .await;
    assert!(matches!(started, Outcome::Agent { .. }), "{started:?}");
    session.until("an event", |s| s.agents.len() == 12).await;
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_as_long_as_a_frame_is_sent() {
    use crate::model::{HistoryKind, LogRecord, MAX_RECORD};
    let dir = tempfile::tempdir().expect("a directory");
    let limits = crate::mux::HistoryLimits::default();
    let mut history = crate::mux::History::open(dir.path(), limits).expect("opens");
    history.append(HistoryKind::Output, b"before", 1, || (SIZE, Vec::new()));
    drop(history);
    let mut history = crate::mux::History::open(dir.path(), limits).expect("opens");
    let screen = vec![b'k'; MAX_RECORD];
    history.append(HistoryKind::Mark, b"mark", 1, || (SIZE, screen));
    let (out, mut frames) = tokio::sync::mpsc::channel(64);
    let written = tokio::sync::watch::channel(crate::host::hub::Written { end: 6, over: true });
    let range = crate::host::logs::Range {
        offset: 0,
        tail: Some(0),
        follow: false,
    };
    let done = crate::host::logs::stream(dir.path().to_owned(), range, 1, written.1, &out).await;
    done.expect("sent");
    drop(out);
    let (mut wire, mut all) = (bytes::BytesMut::new(), bytes::BytesMut::new());
    while let Some(message) = frames.recv().await {
        crate::proto::Message::encode(&message, &mut wire).expect("fits a frame");
        let ToClient::Data { bytes, .. } = message else {
            panic!("{message:?}");
        };
        all.extend_from_slice(&bytes);
    }
    let mut all = all.freeze();
    let mut kinds = Vec::new();
    while let Some(record) = LogRecord::decode(&mut all).expect("whole records") {
        kinds.push((record.kind, record.bytes.len()));
    }
    assert!(
        kinds.contains(&(HistoryKind::Keyframe, MAX_RECORD)),
        "{kinds:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_is_finished_though_its_client_has_gone() {
    let script = "trap '' HUP TERM; echo ready; while :; do sleep 1; done";
    let session = Session::start(vec![sh(1, script), agent(2, &["cat"])], Ends::default()).await;
    let mut c = session.attach(attach(1, 1, SIZE, None)).await;
    c.until_text("ready").await;
    let mut conn = session.connect().await;
    for request in [
        ToHost::Request(Request {
            id: 1,
            op: Op::Kill {
                agent: 1,
                grace_ms: Some(300),
            },
        }),
        ToHost::Ping(1),
    ] {
        conn.sender.send(&request).await.expect("sent");
    }
    soon("the pong", conn.receiver.next()).await.expect("heard");
    drop(conn);
    session
        .until("its end", |s| {
            s.agents[0].state == AgentState::Exited { code: 137 }
        })
        .await;
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_an_upgrade_that_failed_no_terminal_is_inherited() {
    use std::os::unix::fs::PermissionsExt;
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("remote");
    // It answers once, and is gone when it is to take over.
    let script = "#!/bin/sh\nrm -f \"$0\"\necho '{\"version\":\"9\",\"protocol\":{\"major\":1,\"minor\":1}}'\n";
    std::fs::write(&path, script).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let path = path.to_string_lossy().into_owned();
    let asked = session.ask(Op::Upgrade { path }).await;
    assert_eq!(asked, Outcome::Done);
    session
        .until("the failure", |s| {
            s.warnings.iter().any(|w| w.contains("failed"))
        })
        .await;
    let inherited = || {
        let fds = std::fs::read_dir("/proc/self/fd").expect("lists").flatten();
        fds.filter(|fd| std::fs::read_link(fd.path()).is_ok_and(|l| l.ends_with("ptmx")))
            .filter_map(|fd| {
                let info = format!("/proc/self/fdinfo/{}", fd.file_name().to_string_lossy());
                let info = std::fs::read_to_string(info).ok()?;
                let flags = info.lines().find_map(|l| l.strip_prefix("flags:"))?;
                u32::from_str_radix(flags.trim(), 8).ok()
            })
            .any(|flags| flags & 0o2_000_000 == 0)
    };
    // Others' terminals are inheritable for the instant in which they are opened.
    let gone = async {
        while inherited() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the end of it", gone).await;
    // Nor would the next broken pipe be this process's end.
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.expect("a mask").trim(), 16).expect("hex");
    assert_ne!(ignored & 1 << 12, 0, "SIGPIPE is ignored");
    let one_more = session
        .ask(Op::Spawn {
            agent: agent(0, &["cat"]),
        })
        .await;
    assert!(matches!(one_more, Outcome::Agent { .. }), "{one_more:?}");
    session.terminate().await;
}

/// A program that answers `host check` so.
fn program(dir: &std::path::Path, script: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("remote");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    path.to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_binary_that_does_not_answer_keeps_nobody_waiting() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let dir = tempfile::tempdir().expect("a directory");
    let path = program(dir.path(), "exec yes");
    match session.ask(Op::Upgrade { path }).await {
        Outcome::Failed { error } => assert!(error.message.contains("does not end"), "{error:?}"),
        other => panic!("{other:?}"),
    }
    let script = format!("echo > {0}/asked; exec sleep 600", dir.path().display());
    let path = program(dir.path(), &script);
    let mut conn = session.connect().await;
    let op = Op::Upgrade { path };
    let request = ToHost::Request(Request { id: 1, op });
    conn.sender.send(&request).await.expect("sent");
    let asked = dir.path().join("asked");
    let wait = async {
        while !asked.exists() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    soon("the question to the new binary", wait).await;
    let ended = tokio::time::timeout(Duration::from_secs(8), session.terminate());
    assert!(ended.await.is_ok(), "the end waited for the new binary");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_last_word_does_not_start_the_agents_again() {
    let first = Session::start(vec![sh(1, "echo once; read x")], Ends::default()).await;
    let spec = first.status().await.spec;
    first.terminate().await;
    let copy = tempfile::tempdir().expect("a directory");
    let dir = SessionDir::new(copy.path());
    files::write_json(&dir.spec(), &spec).expect("written");
    // A power failure leaves an empty file.
    std::fs::write(dir.last(), b"").expect("written");
    let second = Session::over(dir).await;
    assert_eq!(second.status().await.agents[0].state, AgentState::Lost);
    second.terminate().await;
}
