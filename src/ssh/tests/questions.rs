//! Passwords and keyboard-interactive, against a small server that asks for them: sshd would need a
//! user's real password.

use std::borrow::Cow;
use std::sync::Arc;

use russh::server::{self, Auth, Response};
use russh::{MethodKind, MethodSet};

use super::fixture::{Person, nobody};
use crate::ssh::{Connection, HostTrust, Resolved, SshErrorKind, keys};

struct Asking;

impl server::Handler for Asking {
    type Error = russh::Error;

    async fn authentication_banner(&mut self) -> Result<Option<String>, russh::Error> {
        Ok(Some("wel\x1b[31mcome\n".into()))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, russh::Error> {
        // By itself russh takes no second password.
        let again = || Auth::Reject {
            proceed_with_methods: Some(MethodSet::from(&[MethodKind::Password][..])),
            partial_success: false,
        };
        Ok(if (user, password) == ("me", "secret") {
            Auth::Accept
        } else {
            again()
        })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(answers) = response else {
            return Ok(Auth::Partial {
                name: "Two".into(),
                instructions: "answer both".into(),
                prompts: Cow::Owned(vec![("Password: ".into(), false), ("Code: ".into(), true)]),
            });
        };
        let answers: Vec<_> = answers.collect();
        Ok(if answers == ["secret", "123"] {
            Auth::Accept
        } else {
            Auth::reject()
        })
    }
}

async fn start(methods: &[MethodKind]) -> (Resolved, HostTrust) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("bind");
    let port = listener.local_addr().expect("address").port();
    let key = keys::generate_ed25519();
    let pin = HostTrust::Pinned(keys::public_line(&key));
    let config = Arc::new(server::Config {
        keys: vec![key],
        methods: MethodSet::from(methods),
        auth_rejection_time: std::time::Duration::from_millis(1),
        ..server::Config::default()
    });
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let config = config.clone();
            tokio::spawn(async move {
                if let Ok(session) = server::run_stream(config, stream, Asking).await {
                    let _ = session.await;
                }
            });
        }
    });
    let mut r = Resolved::direct("127.0.0.1", port, "me", "/none".into());
    (r.password, r.keyboard_interactive) = (true, true);
    (r, pin)
}

#[tokio::test]
async fn passwords() {
    let (r, pin) = start(&[MethodKind::PublicKey, MethodKind::Password]).await;
    let person = Person::answering(&["wrong", "secret"]);
    Connection::open(&r, &pin, person.clone())
        .await
        .expect("in");
    let heard = person.heard();
    assert!(heard.contains("me@127.0.0.1's password"), "{heard}");
    assert!(
        heard.contains("wel[31mcome") && !heard.contains('\x1b'),
        "{heard}"
    );
    let e = Connection::open(&r, &pin, Person::answering(&["a", "b", "c", "secret"]))
        .await
        .expect_err("three tries");
    assert_eq!(e.kind, SshErrorKind::Auth);
    let e = Connection::open(&r, &pin, nobody())
        .await
        .expect_err("nobody");
    assert!(e.message.contains("nobody gave one"), "{e}");
}

#[tokio::test]
async fn keyboard_interactive() {
    let (r, pin) = start(&[MethodKind::KeyboardInteractive]).await;
    let person = Person::answering(&["secret", "999", "secret", "123"]);
    Connection::open(&r, &pin, person.clone())
        .await
        .expect("in");
    let heard = person.heard();
    assert!(
        heard.contains("answer both") && heard.contains("(me@127.0.0.1) Code: "),
        "{heard}"
    );
    let e = Connection::open(&r, &pin, nobody())
        .await
        .expect_err("nobody");
    assert!(e.message.contains("nobody answered"), "{e}");
}
