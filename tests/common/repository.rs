//! A person's repository, and `git` and `remote` where they stand in it.

use std::path::{Path, PathBuf};

use super::SOON;
use super::env::TestEnv;
use super::process::{Ran, run};

/// `git`, which must go well: what it said.
pub fn git(env: &TestEnv, dir: &Path, args: &[&str]) -> String {
    let ran = run(env.command("git").current_dir(dir).args(args), b"", SOON);
    assert_eq!(ran.code, 0, "git {args:?}: {}", ran.all());
    ran.stdout.trim_end().to_owned()
}

/// `api`, with one commit.
pub fn repository(env: &TestEnv) -> PathBuf {
    let top = env.work().join("api");
    std::fs::create_dir_all(&top).expect("a directory");
    git(env, &top, &["init", "--quiet", "--initial-branch=main"]);
    git(env, &top, &["config", "user.name", "A U Thor"]);
    git(env, &top, &["config", "user.email", "author@example.com"]);
    std::fs::write(top.join("a.txt"), "one\n").expect("a file");
    git(env, &top, &["add", "a.txt"]);
    git(env, &top, &["commit", "--quiet", "-m", "first"]);
    top
}

/// `remote` there, however slow what it speaks to is.
pub fn remote_in(env: &TestEnv, dir: &Path, args: &[&str]) -> Ran {
    run(env.remote(args).current_dir(dir), b"", 20 * SOON)
}

/// The same, which must go well.
pub fn remote_ok(env: &TestEnv, dir: &Path, args: &[&str]) -> Ran {
    let ran = remote_in(env, dir, args);
    assert_eq!(ran.code, 0, "remote {args:?}: {}", ran.all());
    ran
}
