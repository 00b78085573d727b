//! Tests of `ssh_host`.

use super::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// A machine that is this one, without SSH in between.
struct Here(PathBuf);

impl Remote for Here {
    fn run<'a>(
        &'a self,
        command: &'a str,
        mut stdin: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, std::io::Result<Ran>> {
        Box::pin(async move {
            let mut child = Command::new("/bin/sh")
                .args(["-c", command])
                .env("XDG_DATA_HOME", &self.0)
                .env("XDG_STATE_HOME", &self.0)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()?;
            let mut input = child.stdin.take().ok_or(std::io::ErrorKind::Other)?;
            let mut bytes = Vec::new();
            stdin.read_to_end(&mut bytes).await?;
            let feed = async move {
                // A command that does not read closes its end early.
                let _ = tokio::io::AsyncWriteExt::write_all(&mut input, &bytes).await;
            };
            let (_, out) = tokio::join!(feed, child.wait_with_output());
            let out = out?;
            Ok(Ran {
                status: out.status.code().unwrap_or(-1),
                stdout: out.stdout,
                stderr: out.stderr,
            })
        })
    }

    fn destination(&self) -> &str {
        "here"
    }
}

#[tokio::test]
async fn a_binary_is_uploaded_once_and_only_when_it_runs() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("program");
    let binaries = Binaries {
        given: Some(file.clone()),
        by_system: BTreeMap::new(),
        shelf: Default::default(),
    };
    let remote: Arc<dyn Remote> = Arc::new(Here(home.path().join("it's data")));
    let uploads = std::sync::Mutex::new(0);
    let count = |_: &str| *uploads.lock().expect("not poisoned") += 1;

    std::fs::write(&file, "#!/bin/sh\nexit 3\n").expect("written");
    let host = SshHost::new(remote.clone(), binaries.clone());
    let refused = host.binary(&count).await;
    assert!(
        matches!(refused, Err(ProvisionError::Remote { .. })),
        "{refused:?}"
    );

    std::fs::write(&file, "#!/bin/sh\ntest \"$2\" = check\n").expect("written");
    for _ in 0..2 {
        let host = SshHost::new(remote.clone(), binaries.clone());
        let path = host.binary(&count).await.expect("uploaded").to_owned();
        assert_eq!(
            std::fs::read(&path).expect("there"),
            std::fs::read(&file).expect("here")
        );
    }
    assert_eq!(*uploads.lock().expect("not poisoned"), 2);
    let left = std::fs::read_dir(home.path().join("it's data/remote/bin")).expect("there");
    assert_eq!(left.count(), 1);
}

#[tokio::test]
async fn an_upload_removes_old_binaries_that_no_session_needs() {
    let home = tempfile::tempdir().expect("a directory");
    let data = home.path().join("it's data");
    let bin = data.join("remote/bin");
    std::fs::create_dir_all(&bin).expect("made");
    let day = std::time::Duration::from_secs(24 * 3600);
    let put = |name: &str, days: u32| {
        let file = std::fs::File::create(bin.join(name)).expect("made");
        let then = std::time::SystemTime::now() - day * days;
        file.set_modified(then).expect("set");
    };
    for (name, days) in [
        ("remote-0.1.0-unused01", 50),
        ("remote-0.1.0-unused02", 90),
        ("remote-0.1.0-named000", 80),
        ("remote-0.1.0-young000", 20),
        ("remote-0.1.0-older000", 31),
        ("other", 99),
    ] {
        put(name, days);
    }
    // One that runs, under a name that nobody wrote down.
    let runs = bin.join("remote-0.1.0-runs0000");
    std::fs::copy("/bin/sleep", &runs).expect("a copy");
    let mut program = std::process::Command::new(&runs);
    let mut program = program.arg("600").spawn().expect("started");
    put_back(&runs, day * 70);
    let session = |name: &str, binary: Option<&str>| {
        let dir = data.join("remote/sessions").join(name);
        std::fs::create_dir_all(&dir).expect("made");
        std::fs::write(dir.join("session.json"), "{}").expect("written");
        if let Some(binary) = binary {
            std::fs::write(dir.join("binary"), format!("/x/{binary}\n")).expect("written");
        }
        dir
    };
    session("session-named2", Some("remote-0.1.0-named000"));
    let silent = session("session-silent", None);
    let present = || {
        let names = std::fs::read_dir(&bin).expect("there").flatten();
        let mut names: Vec<String> = names
            .map(|e| e.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let upload = async |text: &str| {
        let file = home.path().join("program");
        std::fs::write(&file, format!("#!/bin/sh\n# {text}\n")).expect("written");
        let binaries = Binaries {
            given: Some(file),
            by_system: BTreeMap::new(),
            shelf: Default::default(),
        };
        let host = SshHost::new(Arc::new(Here(data.clone())), binaries);
        host.binary(&|_| {}).await.expect("uploaded").to_owned()
    };
    let before = present().len();
    let first = upload("one").await;
    assert_eq!(
        present().len(),
        before + 1,
        "a session may need any of them"
    );
    std::fs::remove_dir_all(silent).expect("removed");
    let second = upload("two").await;
    let mut want: Vec<String> = [first, second]
        .iter()
        .map(|path| path.rsplit('/').next().expect("a name").to_owned())
        .chain(
            [
                "other",
                "remote-0.1.0-named000",
                "remote-0.1.0-runs0000",
                "remote-0.1.0-young000",
            ]
            .map(str::to_owned),
        )
        .collect();
    want.sort();
    assert_eq!(present(), want);
    program.kill().expect("killed");
    program.wait().expect("reaped");
}

/// A line that is cut after so many bytes of an upload, once.
struct Cut {
    here: Here,
    after: Mutex<Option<usize>>,
    /// How much of each upload was sent.
    sent: Mutex<Vec<usize>>,
}

impl Remote for Cut {
    fn run<'a>(
        &'a self,
        command: &'a str,
        mut stdin: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, std::io::Result<Ran>> {
        Box::pin(async move {
            let mut bytes = Vec::new();
            stdin.read_to_end(&mut bytes).await?;
            let mut cut = None;
            if command.contains(" tee ") {
                cut = self.after.lock().expect("not poisoned").take();
                self.sent.lock().expect("not poisoned").push(bytes.len());
            }
            bytes.truncate(cut.unwrap_or(usize::MAX));
            let ran = self
                .here
                .run(command, Box::new(std::io::Cursor::new(bytes)));
            let ran = ran.await?;
            match cut {
                Some(_) => Err(std::io::ErrorKind::ConnectionReset.into()),
                None => Ok(ran),
            }
        })
    }

    fn again(&self) -> BoxFuture<'_, std::io::Result<()>> {
        Box::pin(async { Ok(()) })
    }

    fn destination(&self) -> &str {
        "here"
    }
}

#[tokio::test]
async fn what_has_arrived_of_an_upload_is_not_sent_again() {
    let home = tempfile::tempdir().expect("a directory");
    let bin = home.path().join("remote/bin");
    let file = home.path().join("program");
    let noise: String = (0..20_000_u32)
        .map(|n| format!("# {:x}\n", n.wrapping_mul(2_654_435_761)))
        .collect();
    std::fs::write(&file, format!("#!/bin/sh\nexit 0\n{noise}")).expect("written");
    let binaries = Binaries {
        given: Some(file.clone()),
        ..Binaries::default()
    };
    let bring = async |cut: Option<usize>| {
        let line = Arc::new(Cut {
            here: Here(home.path().into()),
            after: Mutex::new(cut),
            sent: Mutex::default(),
        });
        let host = SshHost::new(line.clone(), binaries.clone());
        let path = host.binary(&|_| {}).await.expect("uploaded").to_owned();
        assert_eq!(
            std::fs::read(&path).expect("there"),
            std::fs::read(&file).expect("here")
        );
        assert_eq!(std::fs::read_dir(&bin).expect("there").count(), 1);
        let sent = line.sent.lock().expect("not poisoned").clone();
        (path, sent)
    };
    let (path, sent) = bring(Some(20_000)).await;
    let [whole, rest] = sent[..] else {
        panic!("{sent:?}");
    };
    assert!(whole > 40_000 && rest == whole - 20_000, "{sent:?}");

    // A power cut left half of it, and of an upload something else.
    std::fs::write(&path, "#!/bin/sh\nex").expect("written");
    let packed = binaries.ready(&file).await.expect("read");
    let mark = packed.packed(true).await.expect("packed").mark;
    std::fs::write(bin.join(format!(".{mark}.part.1")), "noise").expect("written");
    let (_, sent) = bring(None).await;
    assert_eq!(sent, [whole - 5, whole], "seen, and begun anew");
    assert_eq!(bring(None).await.1, [0; 0], "all is there");
}

fn put_back(path: &std::path::Path, by: std::time::Duration) {
    let times = std::fs::FileTimes::new().set_modified(std::time::SystemTime::now() - by);
    let file = std::fs::File::open(path).expect("opens");
    file.set_times(times).expect("set");
}

#[tokio::test]
async fn a_system_without_a_binary_is_refused() {
    struct Odd;
    impl Remote for Odd {
        fn run<'a>(
            &'a self,
            _: &'a str,
            _: Box<dyn AsyncRead + Send + Unpin>,
        ) -> BoxFuture<'a, std::io::Result<Ran>> {
            Box::pin(async {
                Ok(Ran {
                    status: 0,
                    stdout: b"remote-probe\nPlan9 vax\ncat\n/x\n".to_vec(),
                    stderr: Vec::new(),
                })
            })
        }
        fn destination(&self) -> &str {
            "odd"
        }
    }
    let host = SshHost::new(Arc::new(Odd), Binaries::default());
    let error: crate::error::Error = host.binary(&|_| {}).await.expect_err("refused").into();
    assert!(error.message.contains("plan9-vax"), "{error}");
    assert!(error.hints.iter().any(|h| h.contains("--host-binary")));
}
