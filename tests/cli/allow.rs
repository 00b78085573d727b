//! What came with a repository runs only once a person has allowed it.

use super::common::env::TestEnv;
use super::common::terminal::size;

fn repository(env: &TestEnv, text: &str) {
    std::fs::create_dir_all(env.work().join(".git")).unwrap();
    std::fs::write(env.work().join(".remote.toml"), text).unwrap();
}

#[test]
fn on_no_terminal_it_is_an_error_that_names_the_remedy() {
    let env = TestEnv::new();
    repository(&env, "setup = \"make deps\"\ncheck = \"make test\"\n");
    let ran = env.run(&["config", "allow"]);
    assert_eq!(ran.code, 1, "{}", ran.all());
    assert!(ran.stderr.contains("setup  make deps"), "{}", ran.stderr);
    assert!(ran.stderr.contains("check  make test"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("`remote config allow`"),
        "{}",
        ran.stderr
    );
    assert!(
        env.ok(&["config", "check"])
            .stdout
            .contains("not allowed to run yet")
    );
}

#[test]
fn a_yes_on_a_terminal_holds_until_the_text_changes() {
    let env = TestEnv::new();
    repository(&env, "setup = \"make \\u001b[2Jdeps\"\n");
    let mut terminal = env.terminal(&["config", "allow"], size(100, 20));
    terminal.wait_text("Allow these, until they change? [y/N]");
    // What is shown is text: it cannot clear the screen that asks.
    assert!(
        terminal.shows("make \u{fffd}[2Jdeps"),
        "{:#?}",
        terminal.text()
    );
    terminal.send("y\r");
    assert_eq!(terminal.wait_exit(), 0);
    let told = || env.ok(&["config", "check"]).stdout;
    assert!(!told().contains("not allowed"), "{}", told());
    repository(&env, "setup = \"make everything\"\n");
    assert!(told().contains("not allowed to run yet"));
    let mut terminal = env.terminal(&["config", "allow"], size(100, 20));
    terminal.wait_text("[y/N]");
    terminal.send("\r");
    assert_eq!(terminal.wait_exit(), 1);
    assert!(told().contains("not allowed to run yet"));
}
