//! The harness itself: a test that stands on a broken harness proves nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::common::env::{TestEnv, session_in};
use crate::common::proxy::{Proxy, Way};
use crate::common::sshd::{Sshd, SshdOptions};
use crate::common::terminal::{Terminal, USUAL, size};
use crate::common::{SOON, await_true};

#[test]
fn a_terminal_shows_what_its_program_prints_and_knows_its_size_and_end() {
    let env = TestEnv::new();
    let mut command = env.command("sh");
    command.args(["-c", "stty size; tty; read x; stty size; exit 7"]);
    let mut t = Terminal::spawn(command, USUAL);
    t.wait_text("24 80");
    t.wait_text("/dev/pts/");
    t.resize(size(100, 30));
    t.send("\n");
    t.wait_text("30 100");
    assert_eq!(t.wait_exit(), 7);
}

#[test]
fn a_terminal_answers_queries_as_an_xterm_would() {
    let env = TestEnv::new();
    let mut command = env.command("sh");
    command.args([
        "-c",
        "stty raw -echo; printf '\\033[c'; dd bs=1 count=9 2>/dev/null | od -c",
    ]);
    let mut t = Terminal::spawn(command, USUAL);
    t.wait_text("6   2   ;   2   2   c");
}

#[test]
fn both_emulators_see_wide_characters_and_colours() {
    let env = TestEnv::new();
    let mut command = env.command("printf");
    command.arg("\\033[1;38;2;1;2;3m日本\\033[mx");
    let mut t = Terminal::spawn(command, USUAL);
    assert_eq!(t.wait_exit(), 0);
    let screen = t.snapshot();
    assert_eq!(screen.avt.cursor.1, 5);
    assert_eq!(screen.vt100.cursor.1, 5);
    assert!(screen.vt100.cells[0][0].1.contains("bold"));
    assert!(screen.differences(&screen).is_empty());
    t.resize(size(40, 10));
    assert_eq!(t.snapshot().avt.cells.len(), 10);
}

#[test]
fn a_real_sshd_lets_stock_ssh_in_with_a_home_of_its_own() {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    let mut ssh = client.command(client.bin().join("ssh"));
    ssh.args(["box", "printf %s $HOME"]);
    let ran = crate::common::process::run(&mut ssh, b"", SOON);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert_eq!(ran.stdout, server.home().to_string_lossy());
}

#[test]
fn killing_its_connections_leaves_the_server_running() {
    let (client, server) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    client.use_sshd(&sshd, sshd.port);
    let mut ssh = client.command(client.bin().join("ssh"));
    ssh.args(["-tt", "box", "echo up; cat"]);
    let mut t = Terminal::spawn(ssh, USUAL);
    t.wait_text("up");
    assert!(sshd.kill_connections() > 0);
    assert_eq!(t.wait_exit(), 255);
    let mut again = client.command(client.bin().join("ssh"));
    again.args(["box", "true"]);
    assert_eq!(crate::common::process::run(&mut again, b"", SOON).code, 0);
}

/// A server that sends back what it gets.
fn echo_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten().take(4) {
            std::thread::spawn(move || {
                let mut buf = [0; 4096];
                while let Ok(n) = stream.read(&mut buf) {
                    if n == 0 || stream.write_all(&buf[..n]).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[test]
fn the_proxy_delays_narrows_freezes_and_cuts() {
    let proxy = Proxy::to(echo_server());
    let mut c = TcpStream::connect(("127.0.0.1", proxy.port)).expect("connect");
    c.set_read_timeout(Some(SOON)).expect("a timeout");
    let mut buf = vec![0; 50_000];

    proxy.delay(Duration::from_millis(40));
    let begun = Instant::now();
    c.write_all(b"x").expect("write");
    c.read_exact(&mut buf[..1]).expect("read");
    assert!(begun.elapsed() >= Duration::from_millis(80));
    proxy.delay(Duration::ZERO);

    proxy.rate(Some(250_000));
    let begun = Instant::now();
    c.write_all(&buf).expect("write");
    c.read_exact(&mut buf).expect("read");
    assert!(
        begun.elapsed() >= Duration::from_millis(180),
        "50 kB at 250 kB/s"
    );
    proxy.rate(None);

    proxy.freeze(Way::Down);
    c.write_all(&buf[..5000]).expect("write");
    assert!(proxy.wait_held(Way::Down, 5000, SOON));
    proxy.thaw();
    c.read_exact(&mut buf[..5000]).expect("read");
    // It counts what it has written, which may have been read by then.
    await_true("the count", SOON, || proxy.passed(Way::Down) == 55_001);

    proxy.freeze(Way::Down);
    c.write_all(&buf[..5000]).expect("write");
    assert!(proxy.wait_held(Way::Down, 5000, SOON));
    proxy.cut();
    proxy.thaw();
    let mut rest = Vec::new();
    let _ = c.read_to_end(&mut rest);
    assert!(rest.is_empty(), "what was in flight is lost");

    proxy.refuse(true);
    let mut refused = TcpStream::connect(("127.0.0.1", proxy.port)).expect("connect");
    assert_eq!(refused.read(&mut buf).unwrap_or(0), 0);
    assert!(proxy.wait_accepted(2, SOON));
}

#[test]
fn sessions_are_found_in_text() {
    let text = "session- session-ABC in session-abc234/1, session-zzzzzz";
    assert_eq!(session_in(text).as_deref(), Some("session-abc234"));
}

#[test]
fn the_streaming_agent_prints_in_order_and_records_what_it_reads() {
    let env = TestEnv::new();
    let stream = crate::agents::Stream::new(&env, 1500);
    let mut command = env.command("sh");
    command.args(["-c", &stream.command]);
    let mut t = Terminal::spawn_bare(command, USUAL);
    let mut judge = crate::stream::Judge::default();
    while judge.last() < 20_000 {
        t.pump(SOON);
        judge.feed(&t.take_raw());
        t.send("k");
    }
    assert!(judge.faults.is_empty(), "{:?}", judge.faults);
    assert!(stream.printed() >= 4000);
    assert!(!stream.recorded().is_empty());
}
