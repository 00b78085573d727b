//! An agent's branch to the repository's own remote whenever it is done: by git on this machine, in the agent's
//! directory and environment, so that what credentials it has there are what git has. Nobody is asked for anything.

mod turns;

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt;
use tokio::process::{ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::hub::Hub;
use super::state::clean;
use crate::model::{AgentSpec, Push, PushState, now_ms};
use crate::repo::Refs;
use crate::secret::redact::{Redactor, Stream};
pub use turns::Turns;

/// One that takes longer is ended.
const LIMIT: Duration = Duration::from_secs(600);
/// At the session's end: a machine that is taken back has two minutes in all.
const LAST: Duration = Duration::from_secs(12);
/// What comes after git's own end, by what it has left running.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// Of what git says; the end tells why it failed.
const SAID: usize = 8192;
/// What the command ends with where there is nothing to push.
const NOTHING: i32 = 200;
/// Before the commit that is pushed, on a line of its own.
const TIP: &str = "remote: tip ";
/// A clock that was set is noticed.
const LOOK: Duration = Duration::from_secs(60);

/// Until the session is over.
pub async fn attend(hub: Arc<Hub>, mut closing: watch::Receiver<bool>) {
    let mut changes = hub.changes();
    loop {
        changes.borrow_and_update();
        let now = now_ms();
        for (spec, before) in hub.pushes(now) {
            tokio::spawn(watched(hub.clone(), spec, before, LIMIT, false));
        }
        let pause = hub.next_push().map_or(LOOK, |at| {
            Duration::from_millis(at.saturating_sub(now).max(1)).min(LOOK)
        });
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(pause) => {}
            _ = closing.wait_for(|c| *c) => return,
        }
    }
}

/// What is not pushed yet when the session ends: its machine may be gone afterwards.
pub async fn last(hub: &Arc<Hub>) {
    let mut all = JoinSet::new();
    for (spec, before) in hub.last_pushes(now_ms()) {
        all.spawn(watched(hub.clone(), spec, before, LAST, true));
    }
    while all.join_next().await.is_some() {}
}

/// One that panics is over too: its session would wait for it for ever.
async fn watched(
    hub: Arc<Hub>,
    spec: AgentSpec,
    before: Option<String>,
    limit: Duration,
    last: bool,
) {
    let number = spec.number;
    let work = tokio::spawn(one(hub.clone(), spec, before.clone(), limit, last));
    if work.await.is_err() {
        let push = Push {
            state: PushState::Failed,
            at: now_ms(),
            commit: before,
            message: Some("the host failed at it".to_owned()),
        };
        hub.pushed(number, push, false);
    }
}

async fn one(hub: Arc<Hub>, spec: AgentSpec, before: Option<String>, limit: Duration, last: bool) {
    let number = spec.number;
    let url = spec.push.as_deref().unwrap_or_default();
    let line = command(&Refs(&hub.id), number, url, before.as_deref());
    let ran = tokio::time::timeout(limit, run(&hub, &spec, &line)).await;
    let mut cut = false;
    let (state, commit, message) = match ran {
        Err(_) => {
            let why = format!("it took longer than {} s", limit.as_secs());
            (PushState::Failed, before, Some(why))
        }
        Ok(Err(why)) => (PushState::Failed, before, Some(why)),
        Ok(Ok((0, said))) => (PushState::Pushed, tip(&said).or(before), None),
        Ok(Ok((NOTHING, _))) => (PushState::Nothing, before, None),
        Ok(Ok(_)) if hub.is_ending() && !last => {
            cut = true;
            let why = "the session ended before it was through".to_owned();
            (PushState::Failed, before, Some(why))
        }
        Ok(Ok((code, said))) => {
            let why = why(&said).unwrap_or_else(|| format!("git ended with {code}"));
            (PushState::Failed, before, Some(why))
        }
    };
    tracing::info!("agent {number}: push: {} {message:?}", state.word());
    let push = Push {
        state,
        at: now_ms(),
        commit,
        message,
    };
    hub.pushed(number, push, cut);
}

/// Its process group, killed with this: nobody waits for it any more.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// What git says, without secrets' values: before anything is cut, for a part of a value is not found.
struct Said {
    redactors: watch::Receiver<Arc<Redactor>>,
    stream: Stream,
    kept: Vec<u8>,
}

impl Said {
    fn new(hub: &Hub) -> Self {
        Self {
            redactors: hub.redactors(),
            stream: Stream::default(),
            kept: Vec::new(),
        }
    }

    /// Takes what there is; 0 at its end. Cancel-safe.
    async fn take(&mut self, stdout: &mut ChildStdout) -> usize {
        let mut buffer = [0; 4096];
        let n = stdout.read(&mut buffer).await.unwrap_or(0);
        let redactor = self.redactors.borrow().clone();
        let bytes = buffer.get(..n).unwrap_or_default();
        let settled = self.stream.push(&redactor, bytes);
        self.keep(&settled);
        n
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
        let over = self.kept.len().saturating_sub(2 * SAID);
        if over > 0 {
            // The first line is ours, and what the rest ends with tells most.
            self.kept.drain(SAID..SAID + over);
        }
    }

    fn text(mut self) -> String {
        let rest = self.stream.finish();
        self.keep(&rest);
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

/// The shell's line as the agent would run it: its exit code, and the end of what it says.
async fn run(hub: &Hub, agent: &AgentSpec, line: &str) -> Result<(i32, String), String> {
    let env = hub.environment(agent)?;
    let argv = ["/bin/sh", "-c", line].map(str::to_owned);
    let argv = match &hub.rented {
        Some(rented) => rented.argv(&argv, &env, &agent.cwd, agent.number)?,
        None => argv.to_vec(),
    };
    let (program, args) = argv.split_first().ok_or("there is nothing to run")?;
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(env)
        .current_dir(&agent.cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0);
    let told = |e: io::Error| e.to_string();
    let mut child = hub.gate.pass(|| command.spawn()).map_err(told)?;
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    let mut group = Group(pid.and_then(Pid::from_raw));
    let mut stdout = child.stdout.take().ok_or("its output cannot be read")?;
    let mut said = Said::new(hub);
    let mut open = true;
    // Until git's own end: what it has left running may keep its output open for ever.
    let status = loop {
        tokio::select! {
            status = child.wait() => break status.map_err(told)?,
            n = said.take(&mut stdout), if open => open = n > 0,
        }
    };
    group.0 = None;
    let rest = async { while said.take(&mut stdout).await > 0 {} };
    let _ = tokio::time::timeout(LAST_WORDS, rest).await;
    Ok((status.code().unwrap_or(255), said.text()))
}

/// The shell's line. Only what we have put there ourselves is replaced: an agent may rewrite its branch, and a person
/// may have gone on from it there.
fn command(refs: &Refs<'_>, number: u32, url: &str, before: Option<&str>) -> String {
    let (head, start) = (refs.head(number), refs.start(number));
    // Only where it was rewritten: a lease refuses also where the branch is gone there, or has this already.
    let lease = before.map_or_else(String::new, |commit| {
        format!(
            "git merge-base --is-ancestor {commit} \"$tip\" 2>/dev/null || \
             lease=--force-with-lease={head}:{commit}; "
        )
    });
    let url = shell_words::quote(url);
    format!(
        "exec 2>&1; export GIT_TERMINAL_PROMPT=0 SSH_ASKPASS_REQUIRE=never LC_ALL=C; \
         tip=$(git rev-parse --verify --quiet {head}) || {{ echo 'fatal: its branch is gone'; exit 128; }}; \
         [ \"$tip\" != \"$(git rev-parse {start})\" ] || exit {NOTHING}; \
         echo '{TIP}'\"$tip\"; \
         lease=; {lease}\
         exec git push --quiet --recurse-submodules=no $lease -- {url} \"$tip:{head}\""
    )
}

fn tip(said: &str) -> Option<String> {
    let line = said.lines().find_map(|l| l.strip_prefix(TIP))?;
    let is_commit = !line.is_empty() && line.bytes().all(|b| b.is_ascii_hexdigit());
    is_commit.then(|| line.to_owned())
}

/// The line that says most: what the other side or ssh had to say comes before git's own `fatal:`.
fn why(said: &str) -> Option<String> {
    let lines = said.lines().filter(|l| !l.starts_with(TIP));
    let lines: Vec<String> = lines.filter_map(clean).collect();
    let with = |marks: &[&str]| {
        let mut found = lines.iter();
        found.find(|l| marks.iter().any(|m| l.contains(m))).cloned()
    };
    let theirs = [
        "! [",
        "Permission denied",
        "Host key verification",
        "remote: ",
    ];
    let why = with(&theirs).or_else(|| with(&["fatal: ", "error: "]));
    let why = why.or_else(|| lines.last().cloned())?;
    Some(why.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_pushed_from_here_is_replaced_and_nothing_is_the_shells_to_read() {
        let id = "session-abc234".parse().expect("a good id");
        let line = command(&Refs(&id), 2, "git@host:a b.git; rm -rf x", None);
        assert!(line.ends_with(
            "-- 'git@host:a b.git; rm -rf x' \"$tip:refs/heads/remote/session-abc234/2\""
        ));
        assert!(!line.contains("--force"));
        let again = command(&Refs(&id), 2, "u", Some("0123abcd"));
        let lease = "git merge-base --is-ancestor 0123abcd \"$tip\" 2>/dev/null || \
                     lease=--force-with-lease=refs/heads/remote/session-abc234/2:0123abcd; exec git push";
        assert!(again.contains(lease), "{again}");
    }

    #[test]
    fn the_line_that_says_most_is_the_reason() {
        let ssh = "remote: tip 0123\ngit@h: Permission denied (publickey).\nfatal: Could not read from remote \
                   repository.\n\nPlease make sure";
        let denied = "git@h: Permission denied (publickey).";
        assert_eq!(why(ssh).as_deref(), Some(denied));
        assert_eq!(tip(ssh).as_deref(), Some("0123"));
        let prompt = "fatal: could not read Username for 'https://h': terminal prompts disabled\n";
        assert!(why(prompt).is_some_and(|w| w.contains("terminal prompts disabled")));
        assert_eq!((why(""), tip("remote: tip x; y")), (None, None));
    }
}
