//! Tests of `pty`.

use super::*;

fn env() -> BTreeMap<String, String> {
    BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())])
}

fn sh(script: &str) -> Pty {
    let argv = ["/bin/sh", "-c", script].map(str::to_owned);
    Pty::spawn(&SpawnRequest {
        argv: &argv,
        env: &env(),
        cwd: Path::new("/"),
        size: Size { cols: 77, rows: 11 },
    })
    .expect("a shell starts")
}

async fn all(pty: &Pty) -> String {
    let mut out = Vec::new();
    let mut buf = [0; 1024];
    loop {
        match pty.read(&mut buf).await.expect("readable") {
            0 => return String::from_utf8_lossy(&out).into_owned(),
            n => out.extend_from_slice(&buf[..n]),
        }
    }
}

fn reaped(pid: u32) -> i32 {
    let pid = to_pid(pid).expect("a pid");
    let (_, status) = waitpid(Some(pid), WaitOptions::empty())
        .expect("waits")
        .expect("a status");
    status.exit_status().unwrap_or(-1)
}

#[tokio::test]
async fn a_program_gets_the_size_the_environment_and_what_is_typed() {
    let pty = sh("stty size; read line; echo \"got $line\"; exit 7");
    assert!(pty.write(b"hello\n").await.expect("writable") > 0);
    let out = all(&pty).await;
    assert!(out.contains("11 77") && out.contains("got hello"), "{out}");
    assert_eq!(reaped(pty.pid()), 7);
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let spawn = |argv: &[&str], cwd: &str| {
        let argv: Vec<String> = argv.iter().map(|s| (*s).to_owned()).collect();
        Pty::spawn(&SpawnRequest {
            argv: &argv,
            env: &env(),
            cwd: Path::new(cwd),
            size: Size { cols: 80, rows: 24 },
        })
        .map(|_| ())
        .map_err(|e| e.to_string())
    };
    assert!(spawn(&[], "/").is_err_and(|e| e.contains("empty")));
    assert!(spawn(&["no-such-program"], "/").is_err_and(|e| e.contains("no-such-program")));
    assert!(spawn(&["true"], "/no/such/dir").is_err_and(|e| e.contains("/no/such/dir")));
}

#[tokio::test]
async fn a_handed_over_master_goes_on() {
    let pty = sh("read a; echo first $a; read b; echo second $b");
    pty.write(b"1\n").await.expect("writable");
    let copy = rustix::io::dup(pty.master.get_ref()).expect("dup");
    let pid = pty.pid();
    drop(pty);
    let raw = std::os::fd::IntoRawFd::into_raw_fd(copy);
    let pty = Pty::adopt(raw, pid).expect("adopted");
    pty.write(b"2\n").await.expect("writable");
    let out = all(&pty).await;
    assert!(out.contains("second 2"), "{out}");
    assert_eq!(reaped(pid), 0);
    assert!(Pty::adopt(2, pid).is_err() && Pty::adopt(9999, pid).is_err());
}
