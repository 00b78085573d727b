//! The whole promise, once: a repository with uncommitted work goes to four agents; the laptop is lost half-way;
//! another device finds the session, sees who waits, answers, follows it to its end, and has four branches with their
//! checks. On a machine behind sshd (tests/host) and on a rented one (tests/lab).

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::env::{TestEnv, session_in};
use super::process::{Ran, kill, run, wait_child};
use super::terminal::USUAL;
use super::{SOON, await_some};

/// As agents' programs do: it reports what it does, asks, commits, and leaves something uncommitted.
const AGENT: &str = r#"n=$REMOTE_AGENT
say() { printf '\033]7501;%s\033\\' "$1"; }
say "state=working:msg=$(printf 'Writing a greeting' | base64)"
greeting=hello
if [ "$n" = 2 ]; then
    say "state=blocked:kind=question:msg=$(printf 'Which greeting?' | base64)"
    echo 'Which greeting?'
    read -r greeting
    say state=working
fi
cat draft
echo "$greeting from $n" >greeting
git add greeting
git commit -qm "greeting of $n"
echo scratch >"left-$n"
say state=done
echo "agent $n is done"
"#;

/// One device, the other, and how sessions are dispatched from the first.
pub struct Promise<'a> {
    pub laptop: &'a TestEnv,
    pub other: &'a TestEnv,
    pub how: &'a [&'a str],
    /// `make test`, or what it runs where the machine has no make.
    pub check: &'a str,
    pub patience: Duration,
}

fn git(env: &TestEnv, dir: &Path, args: &[&str]) -> String {
    let ran = run(env.command("git").current_dir(dir).args(args), b"", SOON);
    assert_eq!(ran.code, 0, "git {args:?}: {}", ran.all());
    ran.stdout.trim_end().to_owned()
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|e| panic!("{e}: {}", ran.all()))
}

impl Promise<'_> {
    /// Goes through all of it: the session, and the last that the other device was told while it lived.
    pub fn keep(&self) -> (String, Value) {
        let (top, clone) = self.repositories();
        let before = git(self.laptop, &top, &["status", "--porcelain=v2"]);
        let session = self.dispatch_and_lose(&top);
        assert_eq!(
            git(self.laptop, &top, &["status", "--porcelain=v2"]),
            before
        );
        let last = self.find_answer_and_follow(&session, &clone);
        self.branches(&session, &clone);
        (session, last)
    }

    /// The laptop's, with work that is not committed, and the other device's clone.
    fn repositories(&self) -> (PathBuf, PathBuf) {
        let (env, top) = (self.laptop, self.laptop.work().join("api"));
        let origin = self.laptop.work().join("origin.git");
        let origin = origin.to_str().expect("a name");
        let work = self.laptop.work();
        git(
            env,
            &work,
            &[
                "init",
                "--quiet",
                "--bare",
                "--initial-branch=main",
                "origin.git",
            ],
        );
        git(env, &work, &["clone", "--quiet", origin, "api"]);
        git(env, &top, &["config", "user.name", "A U Thor"]);
        git(env, &top, &["config", "user.email", "author@example.com"]);
        std::fs::write(top.join("agent.sh"), AGENT).expect("a file");
        std::fs::write(top.join("Makefile"), "test:\n\tsh test.sh\n").expect("a file");
        std::fs::write(top.join("test.sh"), "grep -q hello greeting\n").expect("a file");
        git(env, &top, &["add", "--all"]);
        git(env, &top, &["commit", "--quiet", "-m", "first"]);
        git(env, &top, &["push", "--quiet", "origin", "HEAD:main"]);
        std::fs::write(top.join("draft"), "a draft, not added\n").expect("a file");
        let there = self.other.work();
        git(self.other, &there, &["clone", "--quiet", origin, "api"]);
        let config = env.home().join(".config/remote");
        std::fs::create_dir_all(&config).expect("a directory");
        let agent = "[agents.scripted]\ncommand = [\"sh\", \"agent.sh\"]\n";
        std::fs::write(config.join("config.toml"), agent).expect("a file");
        (top, there.join("api"))
    }

    /// Follows four agents until one asks; then its device is gone from one moment to the next.
    fn dispatch_and_lose(&self, top: &Path) -> String {
        let task = [
            "dispatch",
            "add a greeting",
            "--agent",
            "scripted",
            "--agents",
            "4",
            "--check",
            self.check,
        ];
        let mut command = self.laptop.remote(&[&task[..], self.how].concat());
        command
            .current_dir(top)
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut client = command.stderr(Stdio::null()).spawn().expect("remote");
        let session = await_some("a question", self.patience, || {
            assert!(
                client.try_wait().expect("a child").is_none(),
                "it has ended"
            );
            let listed = run(&mut self.laptop.remote(&["status"]), b"", self.patience);
            let asks = listed.stdout.contains("Which greeting?");
            asks.then(|| session_in(&listed.stdout)).flatten()
        });
        kill(client.id(), Signal::KILL);
        wait_child(&mut client, SOON).expect("its end");
        session
    }

    fn there(&self, clone: &Path, args: &[&str]) -> Ran {
        let ran = run(
            self.other.remote(args).current_dir(clone),
            b"",
            self.patience,
        );
        assert_eq!(ran.code, 0, "remote {args:?}: {}", ran.all());
        ran
    }

    fn find_answer_and_follow(&self, session: &str, clone: &Path) -> Value {
        let listed = self.there(clone, &["status"]).stdout;
        assert!(listed.contains(session), "{listed}");
        assert!(
            listed.contains("1 blocked (2: \"Which greeting?\""),
            "{listed}"
        );
        let asked = format!("{session}/2");
        let mut attach = self.other.remote(&["attach", &asked]);
        attach.current_dir(clone);
        let mut terminal = super::terminal::Terminal::spawn(attach, USUAL);
        terminal.limit(self.patience);
        terminal.wait_text("Which greeting?");
        let question = json(&self.there(clone, &["answer", &asked, "--json"]));
        let hash = question["hash"].as_str().expect("a hash");
        self.there(clone, &["answer", &asked, "good morning", "--seen", hash]);
        terminal.wait_text("agent 2 is done");
        assert_eq!(terminal.wait_exit(), 0);
        // Each was checked, as it was done.
        let rows = json(&self.there(clone, &["compare", session, "--json"]));
        let rows = rows.as_array().expect("rows");
        let checks: Vec<&str> = rows
            .iter()
            .map(|r| r["check"]["state"].as_str().unwrap_or_default())
            .collect();
        assert_eq!(checks, ["passed", "failed", "passed", "passed"], "{rows:?}");
        assert!(rows.iter().all(|r| r["work"]["commits"] == 1), "{rows:?}");
        json(&self.there(clone, &["status", session, "--json"]))
    }

    /// They came by themselves, as agent 2 was followed to its end; what is late is asked for.
    fn branches(&self, session: &str, clone: &Path) {
        self.there(clone, &["pull", session]);
        for n in 1..=4 {
            let branch = format!("remote/{session}/{n}");
            let show = |name: &str| git(self.other, clone, &["show", &format!("{branch}:{name}")]);
            let greeting = if n == 2 { "good morning" } else { "hello" };
            assert_eq!(show("greeting"), format!("{greeting} from {n}"));
            assert_eq!(show("draft"), "a draft, not added");
            let who = git(
                self.other,
                clone,
                &["log", "-1", "--format=%an: %s", &branch],
            );
            assert_eq!(who, format!("A U Thor: greeting of {n}"));
            let left = format!("refs/remote/{session}/{n}/wip:left-{n}");
            assert_eq!(git(self.other, clone, &["show", &left]), "scratch");
        }
    }
}
