//! Figures, by hand: `cargo test --release --lib ssh::tests::measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::fixture::{Sshd, nobody, unix_echo, unix_server};
use super::local::Local;
use crate::ssh::{Connection, Flow, HostTrust, Resolved};

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

async fn measure(name: &str, r: &Resolved, trust: &HostTrust, echo: &str, flood: &str) {
    let mut times = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        let connection = Connection::open(r, trust, nobody()).await.expect("connect");
        times.push(begun.elapsed());
        connection.close().await;
    }
    println!("{name}: connect and authenticate {:?}", middle(times));
    let connection = Connection::open(r, trust, nobody()).await.expect("connect");
    let mut channel = connection.streamlocal(echo).await.expect("open");
    let mut times = Vec::new();
    for _ in 0..3000 {
        let begun = Instant::now();
        channel.write_all(b"k").await.expect("write");
        channel.read_u8().await.expect("read");
        times.push(begun.elapsed());
    }
    println!("{name}: echo p50 {:?}", middle(times));
    for (kind, flow) in [("credited", Flow::Credited), ("bulk", Flow::Bulk)] {
        let connection = Connection::open_with(r, trust, nobody(), flow)
            .await
            .expect("connect");
        let mut channel = connection.streamlocal(flood).await.expect("open");
        let mut buf = vec![0; 256 << 10];
        let begun = Instant::now();
        let mut sum = 0usize;
        while sum < 512 << 20 {
            sum += channel.read(&mut buf).await.expect("read");
        }
        let rate = 512.0 / begun.elapsed().as_secs_f64();
        println!("{name}: down, {kind}: {rate:.0} MiB/s");
    }
    let connection = Connection::open_with(r, trust, nobody(), Flow::Bulk)
        .await
        .expect("connect");
    let exec = connection
        .exec("cat > /dev/null", None)
        .await
        .expect("exec");
    let (mut stdin, mut control) = (exec.stdin, exec.control);
    let chunk = vec![7; 64 << 10];
    let begun = Instant::now();
    for _ in 0..8192 {
        stdin.write_all(&chunk).await.expect("write");
    }
    drop(stdin);
    control.wait().await.expect("exit");
    println!(
        "{name}: up, exec: {:.0} MiB/s",
        512.0 / begun.elapsed().as_secs_f64()
    );
}

fn flood(path: &std::path::Path) {
    unix_server(path, |mut stream| async move {
        let chunk = vec![b'x'; 64 << 10];
        while stream.write_all(&chunk).await.is_ok() {}
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "figures, not a test"]
async fn figures() {
    let sshd = Sshd::start();
    let (echo, endless) = (sshd.path("echo.sock"), sshd.path("flood.sock"));
    unix_echo(&echo);
    flood(&endless);
    let text = |p: &std::path::Path| p.to_str().expect("path").to_owned();
    measure(
        "sshd",
        &sshd.resolved(),
        &HostTrust::KnownHosts,
        &text(&echo),
        &text(&endless),
    )
    .await;
    let local = Local::start().await;
    unix_echo(&local.socket());
    let second = Local::start().await;
    flood(&second.socket());
    measure_local(&local, &second).await;
}

async fn measure_local(echo: &Local, endless: &Local) {
    let mut times = Vec::new();
    for _ in 0..15 {
        let begun = Instant::now();
        let connection = echo.connect(Flow::Credited).await;
        times.push(begun.elapsed());
        connection.close().await;
    }
    println!("local: connect and authenticate {:?}", middle(times));
    let connection = echo.connect(Flow::Credited).await;
    let path = echo.socket();
    let mut channel = connection
        .streamlocal(path.to_str().expect("path"))
        .await
        .expect("open");
    let mut times = Vec::new();
    for _ in 0..3000 {
        let begun = Instant::now();
        channel.write_all(b"k").await.expect("write");
        channel.read_u8().await.expect("read");
        times.push(begun.elapsed());
    }
    println!("local: echo p50 {:?}", middle(times));
    let path = endless.socket();
    for (kind, flow) in [("credited", Flow::Credited), ("bulk", Flow::Bulk)] {
        let connection = endless.connect(flow).await;
        let mut channel = connection
            .streamlocal(path.to_str().expect("path"))
            .await
            .expect("open");
        let mut buf = vec![0; 256 << 10];
        let begun = Instant::now();
        let mut sum = 0usize;
        while sum < 512 << 20 {
            sum += channel.read(&mut buf).await.expect("read");
        }
        println!(
            "local: down, {kind}: {:.0} MiB/s",
            512.0 / begun.elapsed().as_secs_f64()
        );
    }
}
