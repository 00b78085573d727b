//! The machines and the repository of these tests.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::common::SOON;
use crate::common::env::TestEnv;
use crate::common::process::{Ran, run};
use crate::common::sshd::{Sshd, SshdOptions};

/// A laptop with a repository, and where sessions run. Dropped in this order.
pub struct World {
    pub client: TestEnv,
    pub server: Option<TestEnv>,
    sshd: Option<Sshd>,
    pub top: PathBuf,
}

/// What each agent does: looks around, commits, and leaves something.
pub const WORK: &str = "set -e; git status --porcelain; echo \"at $(basename \"$PWD\") on $(git branch --show-current)\"; \
     test -d \"$TMPDIR\"; test \"$PORT\" = \"$REMOTE_PORT_BASE\"; echo by $REMOTE_AGENT >made-$REMOTE_AGENT; \
     git add made-$REMOTE_AGENT; git commit -qm \"work of $REMOTE_AGENT\"; echo left >left-$REMOTE_AGENT";

impl World {
    pub fn local() -> Self {
        let mut client = TestEnv::new();
        // Where it is not what a test is about, nothing comes by itself.
        client.set("REMOTE_AUTO_PULL", "no");
        let top = client.work().join("my project");
        let this = Self {
            client,
            server: None,
            sshd: None,
            top,
        };
        this.init();
        this
    }

    pub fn ssh() -> Self {
        let server = TestEnv::new();
        let sshd = Sshd::start(&SshdOptions::home(server.home()));
        let mut this = Self::local();
        this.client.use_sshd(&sshd, sshd.port);
        this.server = Some(server);
        this.sshd = Some(sshd);
        this
    }

    fn init(&self) {
        std::fs::create_dir_all(&self.top).unwrap();
        self.git(&["init", "--quiet", "--initial-branch=main"]);
        self.git(&["config", "user.name", "A U Thor"]);
        self.git(&["config", "user.email", "author@example.com"]);
        self.write("a.txt", "one\n");
        self.write("sub/b.txt", "b\n");
        self.commit("first");
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.top.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn git_in(&self, dir: &Path, args: &[&str]) -> Vec<u8> {
        let mut command = self.client.command("git");
        let out = command
            .current_dir(dir)
            .env("GIT_OPTIONAL_LOCKS", "0")
            .args(["-c", "protocol.file.allow=always"])
            .args(args)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "git {args:?}: {said}");
        out.stdout
    }

    pub fn git(&self, args: &[&str]) -> String {
        let out = self.git_in(&self.top, args);
        String::from_utf8_lossy(&out).trim_end().to_owned()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "-m", message]);
    }

    /// `remote` in the repository (or below it), on the machine of this world.
    pub fn remote(&self, below: &str, args: &[&str]) -> Ran {
        let mut command = self.client.remote(args);
        command.current_dir(self.top.join(below));
        run(&mut command, b"", 4 * SOON)
    }

    pub fn ok(&self, args: &[&str]) -> Ran {
        let ran = self.remote("", args);
        assert_eq!(ran.code, 0, "remote {args:?}:\n{}", ran.all());
        ran
    }

    pub fn dispatch(&self, below: &str, args: &[&str]) -> Ran {
        let place: &[&str] = match self.sshd {
            Some(_) => &["dispatch", "--host", "box"],
            None => &["dispatch"],
        };
        self.remote(below, &[place, args].concat())
    }

    pub fn latest(&self) -> String {
        let all = self.ok(&["status", "--all", "--json"]).stdout;
        let all: serde_json::Value = serde_json::from_str(&all).unwrap();
        let last = all.as_array().unwrap().last().unwrap();
        last["session"].as_str().unwrap().to_owned()
    }

    /// What a person would notice of the repository: all refs, the index, the status.
    pub fn state(&self) -> (Vec<u8>, Vec<u8>, String, String) {
        (
            std::fs::read(self.top.join(".git/index")).unwrap_or_default(),
            self.git_in(&self.top, &["status", "--porcelain=v2", "--branch", "-z"]),
            self.git(&["for-each-ref"]),
            std::fs::read_to_string(self.top.join(".git/config")).unwrap(),
        )
    }

    /// Bytes that the last dispatch sent, from the line that says so.
    pub fn sent(ran: &Ran) -> f64 {
        let line = ran
            .stderr
            .lines()
            .find(|l| l.ends_with(" sent"))
            .expect(&ran.stderr);
        let words: Vec<&str> = line.split_whitespace().rev().take(3).collect();
        let unit = match words[1] {
            "B" => 1.0,
            "kB" => 1e3,
            "MB" => 1e6,
            other => panic!("{other}"),
        };
        words[2].parse::<f64>().unwrap() * unit
    }
}

impl Drop for World {
    fn drop(&mut self) {
        // While the way to them still works.
        let _ = self.client.run(&["terminate", "--all", "--yes"]);
    }
}

/// All that is odd at once.
pub fn torture(w: &World) {
    let module = w.client.work().join("module");
    std::fs::create_dir_all(&module).unwrap();
    w.git_in(&module, &["init", "--quiet"]);
    std::fs::write(module.join("m"), "in the module\n").unwrap();
    w.git_in(&module, &["add", "m"]);
    let who = ["-c", "user.name=M", "-c", "user.email=m@example.com"];
    w.git_in(
        &module,
        &[&who[..], &["commit", "--quiet", "-m", "m"]].concat(),
    );
    w.git(&[
        "submodule",
        "--quiet",
        "add",
        module.to_str().unwrap(),
        "lib/module",
    ]);
    w.git(&["config", "filter.lfs.clean", "sed s/^/pointer-to-/"]);
    w.git(&["config", "filter.lfs.smudge", "sed s/^pointer-to-//"]);
    w.write(".gitattributes", "*.big filter=lfs\n*.bat eol=crlf\n");
    w.write(".gitignore", "ignored/\n");
    w.write("gone", "x");
    w.write("conflict", "base\n");
    w.commit("odd things");
    w.git(&["checkout", "--quiet", "-b", "side"]);
    w.write("conflict", "side\n");
    w.commit("side");
    w.git(&["checkout", "--quiet", "main"]);
    w.write("conflict", "main\n");
    w.commit("main");
    // In the middle of a merge.
    let merge = w
        .client
        .command("git")
        .current_dir(&w.top)
        .args(["merge", "side"])
        .output();
    assert!(!merge.unwrap().status.success());
    w.write("a.txt", "changed, not staged\n");
    w.write("staged", "staged\n");
    w.git(&["add", "staged"]);
    std::fs::remove_file(w.top.join("gone")).unwrap();
    w.write("run.sh", "#!/bin/sh\n");
    std::fs::set_permissions(w.top.join("run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("a.txt", w.top.join("link")).unwrap();
    w.write("huge.big", "contents\n");
    w.write("dos.bat", "a\r\nb\r\n");
    w.write("lib/module/m", "changed in the module\n");
    w.write("ignored/secret", "stays\n");
    for name in [&b"new\nline"[..], b"not-utf8-\xff", b"-dash", b"*?[x]"] {
        std::fs::write(w.top.join(std::ffi::OsStr::from_bytes(name)), name).unwrap();
    }
}

/// The tree that git itself makes of all that is there, found in a copy.
pub fn tree_by_hand(w: &World) -> String {
    let copy = w.client.work().join("copy");
    let status = w
        .client
        .command("cp")
        .arg("-a")
        .arg(&w.top)
        .arg(&copy)
        .status();
    assert!(status.unwrap().success());
    let module = copy.join("lib/module");
    if module.exists() {
        // As the module's own working tree is a commit by then.
        let git = std::fs::read_to_string(module.join(".git")).unwrap();
        assert!(git.contains("../"), "{git}");
    }
    w.git_in(&copy, &["add", "--all", "."]);
    let list = w.git_in(&copy, &["ls-files", "--stage", "-z"]);
    std::fs::remove_dir_all(&copy).unwrap();
    String::from_utf8_lossy(&list).into_owned()
}
