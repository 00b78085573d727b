//! Tests of `control`.

use super::*;
use crate::model::HistoryKind;
use crate::proto::Reply;

fn record(offset: u64, bytes: &'static [u8]) -> LogRecord {
    LogRecord {
        offset,
        at: 1,
        kind: HistoryKind::Output,
        bytes: Bytes::from_static(bytes),
    }
}

/// A host that answers one request with what `answer` makes of its id.
async fn host(stream: tokio::io::DuplexStream, answer: impl FnOnce(u32) -> Vec<ToClient>) {
    let mut conn = Conn::host(stream, "host").await.expect("hello");
    let Some(ToHost::Request(request)) = conn.receiver.next().await.expect("a frame") else {
        panic!("no request");
    };
    for message in answer(request.id) {
        conn.sender.send(&message).await.expect("sent");
    }
    // The stream is held open until the client has gone.
    let _ = conn.receiver.next().await;
}

async fn client(
    answer: impl FnOnce(u32) -> Vec<ToClient> + Send + 'static,
) -> (Control, tokio::task::JoinHandle<()>) {
    let (here, there) = tokio::io::duplex(4096);
    let task = tokio::spawn(host(there, answer));
    let control = Control::open(Box::new(here), "session-abc123")
        .await
        .expect("hello");
    (control, task)
}

#[tokio::test]
async fn records_cut_anywhere_are_put_together() {
    let (control, task) = client(|request| {
        let mut bytes = Vec::new();
        record(0, b"hello").encode(&mut bytes);
        record(5, b"").encode(&mut bytes);
        record(5, b"world").encode(&mut bytes);
        let mut messages: Vec<ToClient> = bytes
            .chunks(7)
            .map(|c| ToClient::Data {
                request,
                bytes: Bytes::copy_from_slice(c),
            })
            .collect();
        messages.push(ToClient::Reply(Reply {
            id: request,
            outcome: Outcome::Done,
        }));
        messages
    })
    .await;
    let mut logs = control.logs(1, None, 0, None, true).await.expect("asked");
    for expected in [record(0, b"hello"), record(5, b""), record(5, b"world")] {
        assert_eq!(logs.next().await.expect("a record"), Some(expected));
    }
    assert_eq!(logs.next().await.expect("the end"), None);
    drop(logs);
    task.await.expect("host");
}

#[tokio::test]
async fn a_refusal_carries_its_hint_and_other_frames_are_passed_over() {
    let (mut control, task) = client(|id| {
        vec![
            ToClient::Event(Event::Unknown),
            ToClient::Reply(Reply {
                id: id + 7,
                outcome: Outcome::Done,
            }),
            ToClient::Ping(3),
            ToClient::Reply(Reply {
                id,
                outcome: Outcome::Failed {
                    error: WireError::new(ErrorCode::NoSuchAgent, "no agent 9").hint("look"),
                },
            }),
        ]
    })
    .await;
    let kill = Op::Kill {
        agent: 9,
        grace_ms: None,
    };
    let error = control.ask(kill).await.expect_err("refused");
    assert_eq!(
        (error.message.as_str(), error.hints.len()),
        ("no agent 9", 1)
    );
    drop(control);
    task.await.expect("host");
}

#[tokio::test]
async fn an_end_is_a_lost_connection() {
    let (here, there) = tokio::io::duplex(64);
    drop(there);
    let error = Control::open(Box::new(here), "session-abc123").await;
    assert!(error.is_err_and(|e| e.kind == crate::error::Kind::Connection));
}
