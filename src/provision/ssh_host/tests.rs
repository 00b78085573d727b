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
