//! Guesses on a terminal, with a host that answers when the test says.

use super::*;

/// What a terminal shows that was given these bytes.
fn shown(bytes: &[u8]) -> (Vec<String>, (u16, u16)) {
    let screen = screen(bytes);
    (screen.text(), screen.cursor())
}

/// An agent at a prompt, and one letter typed and echoed, so that the next shows at once.
async fn confirmed() -> (Lab, Host) {
    let mut lab = Lab::predicting(Predict::Always);
    let mut host = lab.host().await;
    assert!(host.attach.echoes);
    host.attached(0, Resumed::Repaint).await;
    host.output(Form::Repaint, 0, &blank()).await;
    // The host is one that says what is answered.
    host.send(ToClient::EchoAck(0)).await;
    host.raw(b"\x1b[2;6r\x1b[1;31m$ ").await;
    lab.until(b"$ ").await;
    lab.type_("l").await;
    host.hear(input).await;
    host.raw(b"l").await;
    lab.until(b"$ l").await;
    host.send(ToClient::InputAck(1)).await;
    host.send(ToClient::EchoAck(1)).await;
    host.passed(&mut lab).await;
    (lab, host)
}

fn input(message: ToHost) -> Option<(u64, Bytes)> {
    match message {
        ToHost::Input { number, bytes } => Some((number, bytes)),
        _ => None,
    }
}

impl Host {
    /// All that was sent is dealt with: something behind it reaches the terminal.
    async fn passed(&mut self, lab: &mut Lab) {
        let bell = b"\x1b]0;passed\x07";
        let from = lab.seen.len();
        self.raw(bell).await;
        lab.until_from(from, bell).await;
    }
}

impl Lab {
    async fn until_from(&mut self, from: usize, text: &[u8]) {
        let before = self.seen.split_off(from);
        let earlier = std::mem::replace(&mut self.seen, before);
        self.until(text).await;
        let later = std::mem::replace(&mut self.seen, earlier);
        self.seen.extend(later);
    }
}

#[tokio::test]
async fn a_key_shows_before_the_host_answers_and_leaves_no_trace() {
    let (mut lab, mut host) = confirmed().await;
    let from = lab.seen.len();
    lab.type_("s").await;
    lab.until_from(from, b"s").await;
    assert_eq!(host.hear(input).await, (2, Bytes::from("s")));
    let (text, cursor) = shown(&lab.seen);
    assert_eq!((text[0].as_str(), cursor), ("$ ls", (0, 4)));
    // The echo, and the agent goes on in the pen and the margins it had.
    host.raw(b"s").await;
    host.send(ToClient::InputAck(2)).await;
    host.raw(b"\r\nout\r\n\x1b[?6h\x1b[4;1Hin\x1b[?6l").await;
    host.send(ToClient::EchoAck(2)).await;
    host.passed(&mut lab).await;
    let agent = b"\x1b[2;6r\x1b[1;31m$ ls\r\nout\r\n\x1b[?6h\x1b[4;1Hin\x1b[?6l\x1b]0;passed\x07";
    assert_eq!(
        String::from_utf8_lossy(&screen(&lab.seen).repaint()),
        String::from_utf8_lossy(&screen(agent).repaint())
    );
    lab.type_("\r~.").await;
    let (report, _) = lab.end().await;
    assert_eq!(report.guessed, Guessed { shown: 1, wrong: 0 });
}

#[tokio::test]
async fn a_wrong_guess_is_gone_with_the_hosts_word_and_so_is_one_that_is_left() {
    let (mut lab, mut host) = confirmed().await;
    let from = lab.seen.len();
    lab.type_("s").await;
    lab.until_from(from, b"s").await;
    host.hear(input).await;
    host.send(ToClient::InputAck(2)).await;
    let from = lab.seen.len();
    host.send(ToClient::EchoAck(2)).await;
    // Erased where it stood.
    lab.until_from(from, b"\x1b[X").await;
    assert_eq!(shown(&lab.seen).0[0], "$ l");
    // The next is hidden until one is confirmed again.
    lab.type_("t").await;
    host.hear(input).await;
    host.raw(b"t").await;
    host.send(ToClient::InputAck(3)).await;
    host.send(ToClient::EchoAck(3)).await;
    host.passed(&mut lab).await;
    let from = lab.seen.len();
    lab.type_("u").await;
    lab.until_from(from, b"u").await;
    assert_eq!(shown(&lab.seen).0[0], "$ ltu");
    lab.outside.send(Outside::Signal(15)).await.expect("sent");
    let (report, seen) = lab.end().await;
    assert_eq!(report.guessed, Guessed { shown: 2, wrong: 1 });
    assert_eq!(shown(&seen).0[0], "$ lt");
}

#[tokio::test]
async fn a_guess_that_is_painted_over_leaves_no_trace() {
    let (mut lab, mut host) = confirmed().await;
    host.raw(b"\x1b[44m").await;
    let from = lab.seen.len();
    lab.type_("s").await;
    lab.until_from(from, b"s").await;
    host.hear(input).await;
    let from = lab.seen.len();
    lab.outside.send(Outside::Continued).await.expect("sent");
    lab.until_from(from, b"$ l").await;
    host.passed(&mut lab).await;
    let agent = b"\x1b[2;6r\x1b[1;31m$ l\x1b[44m\x1b]0;passed\x07";
    assert_eq!(
        String::from_utf8_lossy(&screen(&lab.seen).repaint()),
        String::from_utf8_lossy(&screen(agent).repaint())
    );
    lab.type_("\r~.").await;
    lab.end().await;
}

#[tokio::test]
async fn hidden_input_reaches_the_host_and_not_the_terminal() {
    let (mut lab, mut host) = confirmed().await;
    lab.type_("\r").await;
    host.hear(input).await;
    host.raw(b"\r\nPassword: ").await;
    host.send(ToClient::InputAck(2)).await;
    host.send(ToClient::EchoAck(2)).await;
    host.passed(&mut lab).await;
    let from = lab.seen.len();
    for (number, key) in (3..).zip(["Q", "V", "W"]) {
        lab.type_(key).await;
        assert_eq!(host.hear(input).await, (number, Bytes::from(key)));
        host.send(ToClient::InputAck(number)).await;
        host.send(ToClient::EchoAck(number)).await;
    }
    host.passed(&mut lab).await;
    let since = lab.seen.get(from..).unwrap_or_default();
    assert!(!since.iter().any(|b| b"QVW".contains(b)));
    lab.type_("\r~.").await;
    lab.end().await;
}
