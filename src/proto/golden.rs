//! Golden bytes of every frame of every released minor version. A line of golden/*.txt is `direction name hex`.
//! Lines are added with a new minor version, never changed.

mod anything;
mod later;

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};

use super::*;
use crate::model::{
    AgentSpec, AgentState, AgentStatus, BlockedOn, Check, CheckSpec, CheckState, Ends, Evidence,
    SessionSpec, SessionStatus, Size, Source, Terminal, Work,
};

const SIZE: Size = Size { cols: 80, rows: 24 };

fn agent_status() -> AgentStatus {
    AgentStatus {
        number: 2,
        name: "claude".into(),
        argv: vec!["claude".into()],
        task: "fix".into(),
        state: AgentState::Blocked {
            on: BlockedOn::Permission,
        },
        since: 1000,
        evidence: Evidence {
            source: Source::Report,
            at: 1000,
            message: Some("may I".into()),
            progress: Some(40),
        },
        title: "t".into(),
        pid: Some(77),
        size: SIZE,
        started: 900,
        ended: None,
        bytes: 12,
        full_screen: true,
        check: None,
        work: None,
        push: None,
        cut: false,
    }
}

fn spec() -> AgentSpec {
    AgentSpec {
        number: 0,
        name: "sh".into(),
        argv: vec!["sh".into(), "-c".into(), "true".into()],
        resume: Vec::new(),
        env: BTreeMap::from([("A".into(), "b".into())]),
        cwd: "/work".into(),
        size: SIZE,
        task: String::new(),
        check: None,
        push: None,
        forward_agent: false,
    }
}

fn status() -> SessionStatus {
    SessionStatus {
        spec: SessionSpec {
            id: "session-abc234".parse().expect("a name"),
            name: None,
            task: "fix".into(),
            provider: "local".into(),
            owner: "me@here".into(),
            created: 900,
            ends: Ends::default(),
            agents: vec![spec()],
            price_microusd_per_hour: 0,
            budget_microusd: None,
            workspace: None,
        },
        agents: vec![agent_status()],
        attached: Vec::new(),
        ends: Vec::new(),
        ended: None,
        warnings: vec!["w".into()],
        news: Vec::new(),
        volume: None,
        load: None,
        now: 2000,
        version: "0.1.0".into(),
    }
}

fn hello(minor: u16) -> Hello {
    Hello {
        protocol: Version { major: 1, minor },
        software: "remote 0.1.0".into(),
        who: "me@here".into(),
    }
}

fn attach() -> Attach {
    Attach {
        agent: 2,
        attachment: AttachmentId([0xab; 16]),
        size: SIZE,
        read_only: false,
        terminal: Terminal {
            term: "xterm".into(),
            ..Terminal::default()
        },
        resume: Some(Resume {
            offset: 4096,
            form: Form::Raw,
            size: SIZE,
        }),
        scrollback: 100,
        window: 65536,
        echoes: false,
    }
}

fn requests() -> Vec<(&'static str, Op)> {
    vec![
        ("status", Op::Status),
        ("watch", Op::Watch),
        ("spawn", Op::Spawn { agent: spec() }),
        (
            "kill",
            Op::Kill {
                agent: 2,
                grace_ms: Some(5000),
            },
        ),
        (
            "restart",
            Op::Restart {
                agent: 2,
                fresh: true,
            },
        ),
        (
            "send",
            Op::Send {
                agent: 2,
                text: "go on".into(),
                keys: vec![Key("Enter".into())],
            },
        ),
        ("extend", Op::Extend { deadline: 3000 }),
        (
            "rename",
            Op::Rename {
                name: "mine".into(),
            },
        ),
        (
            "terminate",
            Op::Terminate {
                why: "asked".into(),
            },
        ),
        (
            "logs",
            Op::Logs {
                agent: 2,
                offset: 5,
                tail: Some(100),
                follow: true,
                check: None,
            },
        ),
        ("screen", Op::Screen { agent: 2 }),
        (
            "upgrade",
            Op::Upgrade {
                path: "/tmp/remote".into(),
            },
        ),
        (
            "notify",
            Op::Notify {
                agent: 2,
                state: AgentState::Exited { code: 3 },
                message: Some("m".into()),
                progress: None,
            },
        ),
    ]
}

fn to_host(minor: u16) -> Vec<(String, ToHost)> {
    let mut all = vec![
        ("hello".to_owned(), ToHost::Hello(hello(minor))),
        ("attach".to_owned(), ToHost::Attach(attach())),
        (
            "input".to_owned(),
            ToHost::Input {
                number: 9,
                bytes: Bytes::from_static(b"\x03y"),
            },
        ),
        (
            "credit".to_owned(),
            ToHost::Credit {
                consumed: 70000,
                window: 65536,
            },
        ),
        ("resize".to_owned(), ToHost::Resize(SIZE)),
        ("ping".to_owned(), ToHost::Ping(1)),
        ("pong".to_owned(), ToHost::Pong(2)),
        ("detach".to_owned(), ToHost::Detach),
    ];
    for (id, (name, op)) in (1..).zip(requests()) {
        all.push((
            format!("request-{name}"),
            ToHost::Request(Request { id, op }),
        ));
    }
    all.extend(later::to_host(minor));
    if minor >= 1 {
        let terminal = Terminal {
            term: "xterm-kitty".into(),
            version: Some("kitty".into()),
            foreground: Some(0xff_ffff),
            background: Some(0),
            kitty_keyboard: Some(true),
            program_status: Some(false),
            pixels: Some((800, 600)),
            asks_for_clipboard: false,
        };
        all.push(("terminal".to_owned(), ToHost::Terminal(terminal)));
        all.push(("repaint".to_owned(), ToHost::Repaint));
    }
    all
}

fn to_client(minor: u16) -> Vec<(String, ToClient)> {
    let output = |form| ToClient::Output {
        from: 10,
        to: 12,
        form,
        bytes: Bytes::from_static(b"hi"),
    };
    let outcomes = [
        ("done", Outcome::Done),
        (
            "status",
            Outcome::Status {
                status: Box::new(status()),
            },
        ),
        (
            "agent",
            Outcome::Agent {
                agent: Box::new(agent_status()),
            },
        ),
        (
            "text",
            Outcome::Text {
                lines: vec!["a".into(), String::new()],
            },
        ),
        (
            "failed",
            Outcome::Failed {
                error: WireError::new(ErrorCode::NoSuchAgent, "no agent 3").hint("see status"),
            },
        ),
    ];
    let mut all = vec![
        ("hello".to_owned(), ToClient::Hello(hello(minor))),
        (
            "event-status".to_owned(),
            ToClient::Event(Event::Status {
                status: Box::new(status()),
            }),
        ),
        (
            "data".to_owned(),
            ToClient::Data {
                request: 3,
                bytes: Bytes::from_static(b"\x00\xff"),
            },
        ),
        (
            "attached".to_owned(),
            ToClient::Attached(Box::new(Attached {
                agent: agent_status(),
                offset: 4096,
                input: 9,
                view: View {
                    form: Form::Raw,
                    size: SIZE,
                },
                resumed: Resumed::Bytes,
            })),
        ),
        ("input-ack".to_owned(), ToClient::InputAck(9)),
        ("output-raw".to_owned(), output(Form::Raw)),
        ("output-repaint".to_owned(), output(Form::Repaint)),
        ("output-drawn".to_owned(), output(Form::Drawn)),
        ("output-scrollback".to_owned(), output(Form::Scrollback)),
        ("ping".to_owned(), ToClient::Ping(1)),
        ("pong".to_owned(), ToClient::Pong(2)),
        (
            "view".to_owned(),
            ToClient::View(View {
                form: Form::Drawn,
                size: SIZE,
            }),
        ),
        (
            "ended".to_owned(),
            ToClient::Ended(AgentEnded {
                state: AgentState::Exited { code: 130 },
                session_over: true,
            }),
        ),
        (
            "notice".to_owned(),
            ToClient::Notice(Notice {
                text: "ends in 2m".into(),
                fatal: false,
            }),
        ),
    ];
    for (id, (name, outcome)) in (1..).zip(outcomes) {
        all.push((
            format!("reply-{name}"),
            ToClient::Reply(Reply { id, outcome }),
        ));
    }
    all.extend(later::to_client(minor));
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex digits"))
        .collect()
}

fn frame(bytes: &[u8]) -> RawFrame {
    let (kind, length) = decode_header(*bytes.first_chunk().expect("a header")).expect("a bound");
    assert_eq!(bytes.len(), HEADER + length);
    RawFrame {
        kind,
        body: Bytes::copy_from_slice(&bytes[HEADER..]),
    }
}

/// What is sent today is what was released; what was released is understood today.
fn check<M: Message + PartialEq + std::fmt::Debug>(
    direction: &str,
    golden: &str,
    messages: Vec<(String, M)>,
) {
    let lines: BTreeMap<&str, &str> = golden
        .lines()
        .filter_map(|l| l.strip_prefix(direction)?.trim().split_once(' '))
        .collect();
    assert!(
        lines.len() <= messages.len(),
        "a golden frame has no message here"
    );
    let mut missing = String::new();
    for (name, message) in messages {
        let mut out = BytesMut::new();
        message.encode(&mut out).expect("a frame within bounds");
        match lines.get(name.as_str()) {
            Some(want) if **want == hex(&out) => {
                let decoded = M::decode(frame(&unhex(want))).expect("golden bytes decode");
                assert_eq!(decoded.as_ref(), Some(&message), "{name}");
            }
            _ => missing.push_str(&format!("{direction} {name} {}\n", hex(&out))),
        }
    }
    assert!(missing.is_empty(), "not as committed:\n{missing}");
}

#[test]
fn protocol_1_0_is_as_it_was_released() {
    let golden = include_str!("golden/1.0.txt");
    check("to-host", golden, to_host(0));
    check("to-client", golden, to_client(0));
}

#[test]
fn protocol_1_1_is_as_it_was_released() {
    let golden = include_str!("golden/1.1.txt");
    check("to-host", golden, to_host(1));
    check("to-client", golden, to_client(1));
}

#[test]
fn protocol_1_2_is_as_it_was_released() {
    let golden = include_str!("golden/1.2.txt");
    check("to-host", golden, to_host(2));
    check("to-client", golden, to_client(2));
}

#[test]
fn protocol_1_3_is_as_it_was_released() {
    let golden = include_str!("golden/1.3.txt");
    check("to-host", golden, to_host(3));
    check("to-client", golden, to_client(3));
}

#[test]
fn what_a_later_version_adds_is_skipped_or_ignored() {
    let unknown = RawFrame {
        kind: 200,
        body: Bytes::from_static(b"?"),
    };
    assert_eq!(ToHost::decode(unknown.clone()).expect("skipped"), None);
    assert_eq!(ToClient::decode(unknown).expect("skipped"), None);
    let op = RawFrame {
        kind: 2,
        body: Bytes::from_static(br#"{"id":4,"op":"later","new":[1]}"#),
    };
    assert_eq!(
        ToHost::decode(op).expect("an unknown op is answered, not fatal"),
        Some(ToHost::Request(Request {
            id: 4,
            op: Op::Unknown
        }))
    );
}

#[test]
fn the_names_of_errors_stay_and_a_later_one_is_an_error_all_the_same() {
    let names = [
        (ErrorCode::NoSuchAgent, "no_such_agent"),
        (ErrorCode::AgentOver, "agent_over"),
        (ErrorCode::Ending, "ending"),
        (ErrorCode::Upgrading, "upgrading"),
        (ErrorCode::BadRequest, "bad_request"),
        (ErrorCode::NotAllowed, "not_allowed"),
        (ErrorCode::Unsupported, "unsupported"),
        (ErrorCode::Spawn, "spawn"),
        (ErrorCode::Io, "io"),
        (ErrorCode::Unknown, "of_next_year"),
    ];
    for (code, name) in names {
        let body =
            format!(r#"{{"id":4,"outcome":"failed","error":{{"code":"{name}","message":"m"}}}}"#);
        let decoded = ToClient::decode(RawFrame {
            kind: 3,
            body: body.into(),
        });
        let Ok(Some(ToClient::Reply(reply))) = decoded else {
            panic!("{name}: {decoded:?}");
        };
        let error = WireError::new(code, "m");
        assert_eq!(reply.outcome, Outcome::Failed { error });
        let sent = serde_json::to_string(&code).expect("a name");
        assert!(code == ErrorCode::Unknown || sent == format!("\"{name}\""));
    }
}
