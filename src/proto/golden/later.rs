//! What minor versions have added since 1.2: each entry has the first minor that knows it. New ones come last, so
//! that the numbers of earlier ones stay.

use super::*;
use crate::model::{HostRule, HostWay, Load, NewsKind, Search, Searched};
use crate::model::{SecretValue, Terminal};
use crate::model::{SessionEvent, VolumeUse, What};

/// The first minor, the name, the request.
fn ops() -> Vec<(u16, &'static str, Op)> {
    let question = Op::Question { agent: 2 };
    let answer = Op::Answer {
        agent: 2,
        hash: "0123456789abcdef".into(),
        text: "yes".into(),
        keys: vec![Key("Enter".into())],
        watch: false,
    };
    let watched = Op::Answer {
        agent: 2,
        hash: "0123456789abcdef".into(),
        text: String::new(),
        keys: vec![Key("1".into())],
        watch: true,
    };
    let budget = Op::Budget {
        microusd: 5_000_000,
    };
    let checked = Op::Logs {
        agent: 2,
        offset: 0,
        tail: None,
        follow: true,
        check: Some(3),
    };
    let setup = Op::Setup {
        agent: spec(),
        command: "npm ci".into(),
    };
    let checks = Op::Spawn {
        agent: AgentSpec {
            check: Some(CheckSpec {
                command: "make test".into(),
                limit_ms: 1_800_000,
            }),
            ..spec()
        },
    };
    let webhook = HostRule {
        on: vec![NewsKind::Blocked, NewsKind::Ended],
        after_ms: 3000,
        way: HostWay::Webhook {
            url: "https://hooks.example/a".into(),
        },
    };
    let command = HostRule {
        on: vec![NewsKind::Error],
        after_ms: 0,
        way: HostWay::Command {
            command: "page me".into(),
        },
    };
    let tell = Op::Tell {
        rules: vec![webhook, command],
    };
    let reply = Op::SshAgentReply {
        conn: 7,
        message: "DAAAAAA=".into(),
    };
    let secrets = Op::Secrets {
        secrets: [("TOKEN".to_owned(), SecretValue::new("hunter2"))].into(),
    };
    let credential = Op::GitCredential {
        agent: 2,
        host: "github.com".into(),
    };
    let grep = Op::Grep {
        agent: 2,
        search: Search {
            pattern: "err(or)?".into(),
            ignore_case: true,
            before: 1,
            first: Some(10),
            ..Search::default()
        },
    };
    let layout = Op::KeepLayout {
        at: 1000,
        layout: "{}".into(),
    };
    vec![
        (2, "question", question),
        (2, "answer", answer),
        (2, "budget", budget),
        (3, "logs-check", checked),
        (3, "setup", setup),
        (3, "spawn-check", checks),
        (3, "tell", tell),
        (3, "events", Op::Events { since: 1000 }),
        (3, "answer-watched", watched),
        (3, "lend-ssh-agent", Op::LendSshAgent),
        (3, "ssh-agent-reply", reply),
        (3, "secrets", secrets),
        (3, "missing-secrets", Op::MissingSecrets),
        (3, "git-credential", credential),
        (3, "grep", grep),
        (3, "keep-layout", layout),
        (3, "layout", Op::Layout),
    ]
}

/// The same for what is replied.
fn outcomes() -> Vec<(u16, &'static str, Outcome)> {
    let question = Box::new(Question {
        state: AgentState::Blocked {
            on: BlockedOn::Permission,
        },
        since: 1000,
        message: Some("Allow make?".into()),
        lines: vec!["Allow make?".into(), "1. Yes".into()],
        hash: "0123456789abcdef".into(),
        key: true,
        now: 2000,
    });
    let agent = Box::new(AgentStatus {
        cut: false,
        check: Some(Check {
            state: CheckState::Failed,
            code: Some(2),
            since: 3000,
            took_ms: Some(400),
            run: 3,
            message: None,
        }),
        work: Some(Work {
            commits: 2,
            files: 3,
            insertions: 40,
            deletions: 5,
        }),
        ..agent_status()
    });
    let events = vec![SessionEvent {
        at: 1500,
        what: What::State {
            agent: 2,
            state: AgentState::Exited { code: 3 },
            source: Source::Process,
            message: None,
        },
    }];
    let volume = Some(VolumeUse {
        size: 8 << 30,
        used: 3 << 30,
    });
    let load = Some(Load {
        cpu_percent: 34,
        memory_used: 2 << 30,
        memory: 8 << 30,
        at: 1900,
    });
    let busy = Box::new(SessionStatus { load, ..status() });
    let status = Box::new(SessionStatus { volume, ..status() });
    let password = SecretValue::new("hunter2");
    let untaken = question.clone();
    let searched = Searched {
        matched: 3,
        lines: 1200,
        full_screen: false,
    };
    let layout = Outcome::Layout {
        at: 1000,
        layout: "{}".into(),
    };
    vec![
        (2, "question", Outcome::Question { question }),
        (3, "agent-checked", Outcome::Agent { agent }),
        (3, "events", Outcome::Events { events, now: 2000 }),
        (3, "untaken", Outcome::Untaken { question: untaken }),
        (3, "credential", Outcome::Credential { password }),
        (3, "status-volume", Outcome::Status { status }),
        (3, "searched", Outcome::Searched { searched }),
        (3, "layout", layout),
        (3, "status-load", Outcome::Status { status: busy }),
    ]
}

/// And for what is told unasked.
fn events() -> Vec<(u16, &'static str, Event)> {
    let asked = Event::SshAgent {
        conn: 7,
        agent: 2,
        message: "Cw==".into(),
    };
    vec![
        (3, "ssh-agent", asked),
        (3, "ssh-agent-closed", Event::SshAgentClosed { conn: 7 }),
    ]
}

pub(super) fn to_host(minor: u16) -> Vec<(String, ToHost)> {
    let known = (40..).zip(ops()).filter(|(_, (since, ..))| *since <= minor);
    let requests = known.map(|(id, (_, name, op))| {
        let request = ToHost::Request(Request { id, op });
        (format!("request-{name}"), request)
    });
    let echoes = Attach {
        echoes: true,
        ..attach()
    };
    let asks = Attach {
        terminal: Terminal {
            asks_for_clipboard: true,
            ..attach().terminal
        },
        ..attach()
    };
    let frames = [
        (3, "attach-echoes", ToHost::Attach(echoes)),
        (3, "attach-asks-for-clipboard", ToHost::Attach(asks)),
    ];
    let frames = frames.into_iter().filter(|(since, ..)| *since <= minor);
    requests
        .chain(frames.map(|(_, name, frame)| (name.to_owned(), frame)))
        .collect()
}

pub(super) fn to_client(minor: u16) -> Vec<(String, ToClient)> {
    let known = (40..)
        .zip(outcomes())
        .filter(|(_, (since, ..))| *since <= minor);
    let replies = known.map(|(id, (_, name, outcome))| {
        let reply = ToClient::Reply(Reply { id, outcome });
        (format!("reply-{name}"), reply)
    });
    let events = events().into_iter().filter(|(since, ..)| *since <= minor);
    let events = events.map(|(_, name, event)| (format!("event-{name}"), ToClient::Event(event)));
    let frames = [(3, "echo-ack", ToClient::EchoAck(9))];
    let frames = frames.into_iter().filter(|(since, ..)| *since <= minor);
    let frames = frames.map(|(_, name, frame)| (name.to_owned(), frame));
    replies.chain(events).chain(frames).collect()
}
