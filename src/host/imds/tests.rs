//! Against a server on a real socket that hands out tokens and takes no request without one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;

use super::*;

const NOTICE: &str = r#"{"action": "terminate", "time": "2026-11-25T08:22:00Z"}"#;

/// A metadata service: `answers` says what the Nth question for a notice gets.
async fn service(answers: fn(u32) -> (u16, &'static str)) -> (String, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    let tokens = Arc::new(AtomicU32::new(0));
    let given = tokens.clone();
    tokio::spawn(async move {
        let mut asked = 0;
        while let Ok((stream, _)) = listener.accept().await {
            let mut lines = BufReader::new(stream).lines();
            let mut head = Vec::new();
            while let Ok(Some(line)) = lines.next_line().await {
                if line.is_empty() {
                    break;
                }
                head.push(line);
            }
            let has = |start: &str| head.iter().any(|l| l.starts_with(start));
            let current = format!(
                "X-aws-ec2-metadata-token: t{}",
                given.load(Ordering::Relaxed)
            );
            let (status, body) =
                if has("PUT /latest/api/token ") && has("X-aws-ec2-metadata-token-ttl-seconds: ") {
                    let n = given.fetch_add(1, Ordering::Relaxed) + 1;
                    (200, format!("t{n}"))
                } else if has(&current) && has("GET /latest/meta-data/spot/instance-action ") {
                    asked += 1;
                    let (status, body) = answers(asked);
                    (status, body.to_owned())
                } else {
                    (401, String::new())
                };
            let answer = format!(
                "HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            let mut stream = lines.into_inner().into_inner();
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (address, tokens)
}

#[tokio::test]
async fn a_notice_is_seen_when_it_comes() {
    let (address, tokens) = service(|n| if n < 3 { (404, "") } else { (200, NOTICE) }).await;
    let mut imds = Imds::new(address);
    assert_eq!(imds.notice().await.expect("asked"), None);
    assert_eq!(imds.notice().await.expect("asked"), None);
    let notice = imds.interruption().await;
    assert_eq!(notice.action, "terminate");
    assert_eq!(notice.time, "2026-11-25T08:22:00Z");
    assert_eq!(tokens.load(Ordering::Relaxed), 1, "one token for all");
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced() {
    let (address, tokens) = service(|n| if n == 1 { (401, "") } else { (200, NOTICE) }).await;
    let mut imds = Imds::new(address);
    assert!(imds.notice().await.is_err());
    assert!(imds.notice().await.expect("asked").is_some());
    assert_eq!(tokens.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_and_no_notice() {
    for body in ["", "null", "{}", "[1]", "terminate"] {
        let answer = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
        let (_, body) = parse(answer.as_bytes()).expect("HTTP");
        assert!(serde_json::from_slice::<Notice>(&body).is_err());
    }
    let (address, _) = service(|_| (500, "broken")).await;
    assert!(Imds::new(address).notice().await.is_err());
    // Nobody there.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address").to_string();
    drop(listener);
    assert!(Imds::new(address).notice().await.is_err());
}

#[test]
fn answers_are_cut_to_their_length_and_half_ones_refused() {
    let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc";
    assert_eq!(parse(whole), Some((200, b"ab".to_vec())));
    assert_eq!(
        parse(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        None
    );
    assert_eq!(parse(b"HTTP/1.1 200 OK\r\n"), None);
    assert_eq!(parse(b"SSH-2.0-x\r\n\r\n"), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
        let mut answer = b"HTTP/1.1 200 OK\r\n".to_vec();
        answer.extend(bytes);
        let _ = parse(&answer);
    }
}
