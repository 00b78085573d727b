//! What runs before the agents: once in each tree, seen, kept, and in nobody's way when it fails.

use super::both;
use super::world::World;

fn configured(w: &World, setup: &str) {
    w.write(".remote.toml", format!("setup = '''{setup}'''\n"));
    w.ok(&["config", "allow", "--yes"]);
}

fn sessions(w: &World) -> usize {
    let all = w.ok(&["status", "--all", "--json"]).stdout;
    let all: serde_json::Value = serde_json::from_str(&all).unwrap();
    all.as_array().unwrap().len()
}

#[test]
fn setup_runs_in_each_tree_before_the_agents_and_what_it_said_is_kept() {
    both(|w| {
        configured(&w, "echo making $REMOTE_AGENT; echo $PORT >made");
        let command = "test \"$(cat made)\" = $PORT && echo mine";
        let ran = w.dispatch("", &["-n", "2", "--command", command]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert_eq!(ran.stdout.matches("mine").count(), 2, "{}", ran.all());
        assert!(!ran.stdout.contains("making"), "{}", ran.all());
        let session = w.latest();
        let said = w.ok(&["logs", &session, "--setup"]).stdout;
        assert_eq!(said, "making 1\nmaking 2\n");
        // Where they share a directory, once.
        let command = "cat made >/dev/null";
        let shared = ["-n", "2", "--no-repo", "--command", command];
        let ran = w.dispatch("", &shared);
        assert_eq!(ran.code, 0, "{}", ran.all());
        assert_eq!(w.ok(&["logs", &w.latest(), "--setup"]).stdout, "making 1\n");
        let without = w.dispatch("", &["--no-setup", "--command", "test ! -e made.not"]);
        assert_eq!(without.code, 0, "{}", without.all());
        let none = w.remote("", &["logs", &w.latest(), "--setup"]);
        assert!(
            none.code == 1 && none.stderr.contains("no setup was run"),
            "{}",
            none.all()
        );
    });
}

#[test]
fn a_setup_that_fails_is_told_with_its_last_words_and_takes_the_session_back() {
    both(|w| {
        configured(&w, "echo so far; echo and no further >&2; exit 7");
        let ran = w.dispatch("", &["--command", "true"]);
        assert_eq!(ran.code, 1, "{}", ran.all());
        for part in [
            "setup failed: it exited with 7",
            "  so far\n  and no further",
            "remote dispatch --no-setup",
        ] {
            assert!(ran.stderr.contains(part), "{part}: {}", ran.all());
        }
        assert_eq!(sessions(&w), 0);
        let kept = w.client.home().join(".local/state/remote/setup");
        let kept = std::fs::read_dir(kept).unwrap().flatten().next().unwrap();
        let text = std::fs::read_to_string(kept.path()).unwrap();
        assert_eq!(text, "so far\r\nand no further\r\n");
        let ran = w.dispatch(
            "",
            &["--no-setup", "--detach", "--command", "exec sleep 600"],
        );
        assert_eq!(ran.code, 0, "{}", ran.all());
        // A live session stays as it is.
        let session = w.latest();
        let into = ["dispatch", "--into", &session, "--command", "true"];
        let ran = w.remote("", &into);
        assert!(
            ran.code == 1 && ran.stderr.contains("exited with 7"),
            "{}",
            ran.all()
        );
        // It may have left something there, which is in nobody's way.
        configured(&w, "touch half; exit 8");
        let ran = w.remote("", &into);
        assert!(ran.stderr.contains("exited with 8"), "{}", ran.all());
        configured(&w, "touch made");
        let into = ["dispatch", "--into", &session, "--command", "ls"];
        let ran = w.remote("", &into);
        assert!(
            ran.code == 0 && ran.stdout.contains("made") && !ran.stdout.contains("half"),
            "{}",
            ran.all()
        );
    });
}

#[test]
fn each_agent_may_have_a_home_of_its_own() {
    both(|w| {
        let command =
            "test -d \"$HOME\" && test -z \"$(ls -A \"$HOME\")\" && echo \"at ${HOME##*/work/}\"";
        let ran = w.dispatch("", &["-n", "2", "--home-each", "--command", command]);
        assert_eq!(ran.code, 0, "{}", ran.all());
        for n in [1, 2] {
            let line = format!("{n} | at {n}/home");
            assert!(ran.stdout.contains(&line), "{}", ran.all());
        }
        let ran = w.dispatch("", &["--no-repo", "--home-each", "--command", "true"]);
        assert!(
            ran.code == 1 && ran.stderr.contains("`--home-each`"),
            "{}",
            ran.all()
        );
    });
}
