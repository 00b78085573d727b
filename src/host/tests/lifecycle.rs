//! From the first agent to the end of the session, whatever agents do.

use super::*;
use crate::host::notify::{self, Notification, Place};
use crate::model::{AgentState, BlockedOn, EndKind, HistoryKind, LogRecord, Source};
use crate::proto::{ErrorCode, Key};

pub fn failed(outcome: Outcome) -> ErrorCode {
    match outcome {
        Outcome::Failed { error } => error.code,
        other => panic!("{other:?}"),
    }
}

async fn ended(session: Session) -> SessionStatus {
    soon("the host's end", session.host)
        .await
        .expect("joined")
        .expect("ended well");
    assert!(!session.dir.endpoint().exists() && !session.endpoint.socket.exists());
    files::read_json(&session.dir.last()).expect("readable")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_ends_with_its_last_agent_and_stays_readable() {
    let agents = vec![sh(1, "echo one; exit 3"), sh(2, "read x; exit 0")];
    let session = Session::start(agents, Ends::default()).await;
    session
        .until("agent 1's end", |s| {
            s.agents[0].state == AgentState::Exited { code: 3 }
        })
        .await;
    assert!(session.status().await.ends.is_empty());
    let keys = vec![Key("Enter".into())];
    let text = String::new();
    let sent = session
        .ask(Op::Send {
            agent: 2,
            text,
            keys,
        })
        .await;
    assert_eq!(sent, Outcome::Done);
    let last = ended(session).await;
    assert_eq!(last.ended.map(|e| e.kind), Some(EndKind::Exited));
    assert!(last.agents.iter().all(|a| a.state.is_over()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_come_are_killed_and_come_again() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let spawned = session
        .ask(Op::Spawn {
            agent: sh(0, "echo $REMOTE_AGENT; read x"),
        })
        .await;
    let Outcome::Agent { agent: two } = spawned else {
        panic!("{spawned:?}");
    };
    assert_eq!(two.number, 2);
    let taken = session
        .ask(Op::Spawn {
            agent: sh(2, "true"),
        })
        .await;
    assert_eq!(failed(taken), ErrorCode::BadRequest);
    let killed = session
        .ask(Op::Kill {
            agent: 2,
            grace_ms: None,
        })
        .await;
    assert_eq!(killed, Outcome::Done);
    let status = session.status().await;
    assert_eq!(status.agents[1].state, AgentState::Exited { code: 129 });
    let again = session
        .ask(Op::Kill {
            agent: 2,
            grace_ms: None,
        })
        .await;
    assert_eq!(failed(again), ErrorCode::AgentOver);
    for _ in 0..6 {
        let started = session
            .ask(Op::Restart {
                agent: 2,
                fresh: false,
            })
            .await;
        assert!(matches!(started, Outcome::Agent { .. }), "{started:?}");
    }
    session
        .until("it runs again", |s| !s.agents[1].state.is_over())
        .await;
    let mut c = session.attach(attach(2, 1, SIZE, None)).await;
    c.until("its output", |c| c.screen.text().iter().any(|l| l == "2"))
        .await;
    assert_eq!(
        failed(
            session
                .ask(Op::Kill {
                    agent: 9,
                    grace_ms: None
                })
                .await
        ),
        ErrorCode::NoSuchAgent
    );
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_agent_can_be_restarted_without_the_session_ending() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    session.until("somebody looks", |_| true).await;
    let started = session
        .ask(Op::Restart {
            agent: 1,
            fresh: true,
        })
        .await;
    assert!(matches!(started, Outcome::Agent { .. }), "{started:?}");
    let mut c = session.attach(attach(1, 1, SIZE, None)).await;
    c.type_in(1, b"alive\n").await;
    c.until_text("alive").await;
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_speak_for_their_agent_and_for_nothing_else() {
    let session = Session::start(vec![agent(1, &["cat"])], Ends::default()).await;
    let place = Place {
        socket: session.endpoint.agent_socket.clone(),
        agent: 1,
    };
    let notification = Notification {
        state: Some("blocked".into()),
        on: Some("permission".into()),
        message: Some("may I?\x1b[31m".into()),
        ..Notification::default()
    };
    notify::send(&place, &notification).await.expect("told");
    let blocked = AgentState::Blocked {
        on: BlockedOn::Permission,
    };
    let status = session
        .until("blocked", |s| s.agents[0].state == blocked)
        .await;
    assert_eq!(status.agents[0].evidence.source, Source::Hook);
    assert_eq!(
        status.agents[0].evidence.message.as_deref(),
        Some("may I? [31m")
    );
    let stream = UnixStream::connect(&place.socket).await.expect("connects");
    let mut conn = Conn::<_, ToClient, ToHost>::client(stream, "agent")
        .await
        .expect("greets");
    for (id, op) in [(1, Op::Terminate { why: String::new() }), (2, Op::Status)] {
        conn.sender
            .send(&ToHost::Request(Request { id, op }))
            .await
            .expect("sent");
        let answer = soon("the refusal", conn.receiver.next())
            .await
            .expect("readable");
        let Some(ToClient::Reply(reply)) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!(failed(reply.outcome), ErrorCode::NotAllowed);
    }
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agents_own_command_hears_of_an_end_that_nears() {
    let ends = Ends {
        deadline: Some(now_ms() + 120_500),
        ..Ends::default()
    };
    let here = tempfile::tempdir().expect("a directory");
    let mut deaf = agent(1, &["sleep", "1000"]);
    deaf.cwd = here.path().to_owned();
    let mut hears = AgentSpec {
        number: 2,
        ..deaf.clone()
    };
    let line = "echo \"$REMOTE_AGENT $REMOTE_WARNING\" >it; mv it told";
    hears.env.insert("REMOTE_ON_WARNING".into(), line.into());
    let session = Session::start(vec![deaf, hears], ends).await;
    let told = here.path().join("told");
    let wait = async {
        while !told.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the warning", wait).await;
    let text = std::fs::read_to_string(&told).expect("readable");
    assert!(text.starts_with("2 this session ends in "), "{text}");
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_ends_it_and_can_be_moved() {
    let ends = Ends {
        deadline: Some(now_ms() + 1500),
        ..Ends::default()
    };
    let session = Session::start(vec![agent(1, &["sleep", "1000"])], ends).await;
    assert_eq!(session.status().await.ends[0].kind, EndKind::Ttl);
    let past = session.ask(Op::Extend { deadline: 5 }).await;
    assert_eq!(failed(past), ErrorCode::BadRequest);
    let deadline = now_ms() + 600;
    assert_eq!(session.ask(Op::Extend { deadline }).await, Outcome::Done);
    let last = ended(session).await;
    let end = last.ended.expect("it ended");
    assert_eq!(end.kind, EndKind::Ttl);
    assert!(end.at >= deadline && end.at < deadline + 10_000);
    assert_eq!(last.spec.ends.deadline, Some(deadline));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_budget_is_taken_that_cannot_be_kept() {
    let session = Session::start(vec![agent(1, &["sleep", "1000"])], Ends::default()).await;
    let op = Op::Budget {
        microusd: 5_000_000,
    };
    assert_eq!(failed(session.ask(op).await), ErrorCode::BadRequest);
    assert_eq!(session.status().await.spec.budget_microusd, None);
    session.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_are_whole_and_can_be_followed_to_the_end() {
    let session = Session::start(
        vec![sh(1, "seq 1 2000; read x; echo last; exit 5")],
        Ends::default(),
    )
    .await;
    let mut conn = session.connect().await;
    let op = Op::Logs {
        agent: 1,
        offset: 0,
        tail: None,
        follow: true,
        check: None,
    };
    conn.sender
        .send(&ToHost::Request(Request { id: 3, op }))
        .await
        .expect("sent");
    let (mut bytes, mut records, mut marks) = (bytes::BytesMut::new(), Vec::new(), Vec::new());
    let mut sent = false;
    let reading = async {
        loop {
            match conn.receiver.next().await.expect("readable") {
                Some(ToClient::Data {
                    request: 3,
                    bytes: more,
                }) => bytes.extend_from_slice(&more),
                Some(ToClient::Reply(reply)) => return assert_eq!(reply.outcome, Outcome::Done),
                other => panic!("{other:?}"),
            }
            let mut all = bytes.split().freeze();
            while let Some(record) = LogRecord::decode(&mut all).expect("whole records") {
                match record.kind {
                    HistoryKind::Output => records.extend_from_slice(&record.bytes),
                    HistoryKind::Mark => {
                        marks.push(String::from_utf8_lossy(&record.bytes).into_owned())
                    }
                    _ => {}
                }
            }
            bytes.extend_from_slice(&all);
            if !sent && records.ends_with(b"2000\r\n") {
                sent = true;
                let keys = vec![Key("Enter".into())];
                session
                    .ask(Op::Send {
                        agent: 1,
                        text: String::new(),
                        keys,
                    })
                    .await;
            }
        }
    };
    soon("the end of the log", reading).await;
    let text = String::from_utf8_lossy(&records).into_owned();
    assert!(
        text.starts_with("1\r\n2\r\n") && text.ends_with("last\r\n"),
        "{text}"
    );
    assert_eq!(marks, ["started", "exited(5)"]);
    ended(session).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_session_is_reached_over_its_own_ssh_server() {
    use crate::ssh::{Connection, HostTrust, Nobody, Overrides, resolve};
    let session = Session::start_on("local", vec![agent(1, &["cat"])], Ends::default()).await;
    let endpoint = &session.endpoint;
    let overrides = Overrides {
        user: endpoint.user.clone(),
        port: endpoint.port,
        identity_files: vec![session.dir.client_key()],
        config_file: Some("/dev/null".into()),
        without_ssh: true,
        ..Overrides::default()
    };
    let resolved = resolve("127.0.0.1", &overrides).await.expect("resolved");
    let trust = HostTrust::Pinned(endpoint.host_key.clone().expect("a key"));
    let connection = Connection::open(&resolved, &trust, std::sync::Arc::new(Nobody))
        .await
        .expect("connects");
    let socket = endpoint.socket.to_string_lossy().into_owned();
    let stream = connection.streamlocal(&socket).await.expect("opens");
    let mut conn = Conn::<_, ToClient, ToHost>::client(stream, "me@test")
        .await
        .expect("greets");
    conn.sender.send(&ToHost::Ping(5)).await.expect("sent");
    let pong = soon("the pong", conn.receiver.next())
        .await
        .expect("readable");
    assert_eq!(pong, Some(ToClient::Pong(5)));
    let exec = connection
        .exec("echo $REMOTE_SESSION", None)
        .await
        .expect("runs");
    let output = soon("its output", exec.output(1000)).await.expect("read");
    let id = session.status().await.spec.id.to_string();
    assert!(String::from_utf8_lossy(&output.stdout).contains(&id));
    connection.close().await;
    session.terminate().await;
}
