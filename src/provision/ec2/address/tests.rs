//! Tests of `address`.

use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Answers every request with `body`.
fn serve(listener: TcpListener, status: &'static str, head: &'static str, body: &'static str) {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let answer = format!(
                "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
}

/// A service that answers every request with `body`; its URL.
async fn service(status: &'static str, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    serve(listener, status, "", body);
    format!("http://127.0.0.1:{port}/")
}

#[tokio::test]
async fn the_service_says_the_address() {
    let url = service("200 OK", "203.0.113.7\n").await;
    let found = addresses(&url).await;
    assert_eq!(found, Ok(vec!["203.0.113.7".parse().expect("an address")]));
}

#[tokio::test]
async fn an_address_of_either_family_is_an_address() {
    for said in ["2001:db8::7\n", "  203.0.113.7  "] {
        let url = service("200 OK", said).await;
        let expected = said.trim().parse().expect("an address");
        assert_eq!(addresses(&url).await, Ok(vec![expected]));
    }
}

#[tokio::test]
async fn a_service_reached_over_ipv6_tells_that_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else {
        return; // No IPv6 on this machine.
    };
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    serve(listener, "200 OK", "", "2001:db8::7");
    let expected = "2001:db8::7".parse().expect("an address");
    assert_eq!(addresses(&url).await, Ok(vec![expected]));
}

#[tokio::test]
async fn a_portal_that_sends_on_is_told_from_one_that_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    serve(
        listener,
        "302 Found",
        "Location: http://login.hotel/\r\n",
        "",
    );
    let refused = addresses(&url).await.expect_err("no address");
    assert_eq!(
        refused,
        AddressError::Redirect {
            url,
            to: "http://login.hotel/".to_owned()
        }
    );
    let url = service(
        "511 Network Authentication Required",
        "<html>\x1b[31mlog in",
    )
    .await;
    let refused = addresses(&url).await.expect_err("no address");
    assert!(!refused.to_string().contains('\x1b'), "{refused}");
    assert!(matches!(refused, AddressError::Portal { .. }), "{refused}");
}

#[tokio::test]
async fn a_portal_is_not_taken_for_an_address() {
    let url = service("200 OK", "<html>Welcome to our hotel").await;
    let refused = addresses(&url).await.expect_err("no address");
    assert!(matches!(refused, AddressError::Portal { .. }), "{refused}");
    let url = service("503 Busy", "").await;
    let refused = addresses(&url).await.expect_err("no address").to_string();
    assert!(refused.contains("status 503"), "{refused}");
    let refused = addresses("http://127.0.0.1:1/")
        .await
        .expect_err("no address");
    assert!(
        matches!(refused, AddressError::NoAnswer { .. }),
        "{refused}"
    );
}
