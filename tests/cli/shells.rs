//! Completion and the dotted spelling in the real shells.

use super::common::env::TestEnv;
use super::common::process::{Ran, run};
use super::common::terminal::{Terminal, size};
use super::common::{SOON, installed};

fn script(env: &TestEnv, shell: &str, text: &str) -> Ran {
    let program = installed(shell);
    let args: &[&str] = match shell {
        "bash" => &["--norc", "--noprofile", "-c"],
        "zsh" => &["-f", "-c"],
        _ => &["--no-config", "-c"],
    };
    run(env.command(program).args(args).arg(text), b"", SOON)
}

/// Completes the words in bash and prints the candidates.
fn bash_complete(env: &TestEnv, source: &str, words: &[&str]) -> Vec<String> {
    let quoted: Vec<String> = words.iter().map(|w| format!("'{w}'")).collect();
    let [first, .., last] = words else {
        panic!("a word to complete, and those before it");
    };
    let before = words.len() - 1;
    let text = format!(
        "source <({source})\n\
         spec=$(complete -p '{}') || exit 3\n\
         COMP_WORDS=({}); COMP_CWORD={before}; COMP_TYPE=9\n\
         [[ $spec =~ -F\\ ([^ ]+) ]]\n\
         ${{BASH_REMATCH[1]}} '{}' '{last}' '' 2>/dev/null\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        first,
        quoted.join(" "),
        first
    );
    let ran = script(env, "bash", &text);
    assert_eq!(ran.code, 0, "{}", ran.all());
    ran.stdout.lines().map(|l| l.trim().to_owned()).collect()
}

#[test]
fn bash_completes_verbs_plain_and_dotted() {
    let env = TestEnv::new();
    let plain = "remote completions bash";
    let found = bash_complete(&env, plain, &["remote", "conf"]);
    assert_eq!(found, ["config"]);
    let dotted = "remote aliases bash";
    let found = bash_complete(&env, dotted, &["remote.config", "sh"]);
    assert_eq!(found, ["show"]);
    let found = bash_complete(&env, dotted, &["remote.config.show", "--js"]);
    assert_eq!(found, ["--json"]);
    let found = bash_complete(&env, dotted, &["remote", "config", "pa"]);
    assert_eq!(found, ["path"]);
}

#[test]
fn dotted_functions_run_in_every_shell() {
    let env = TestEnv::new();
    for shell in ["bash", "zsh", "fish"] {
        let source = match shell {
            "fish" => "remote aliases fish | source",
            _ => &format!("source <(remote aliases {shell})"),
        };
        let ran = script(&env, shell, &format!("{source}\nremote.config.path"));
        assert_eq!(ran.code, 0, "{shell}: {}", ran.all());
        assert!(
            ran.stdout.ends_with("remote/config.toml\n"),
            "{shell}: {}",
            ran.all()
        );
        assert_eq!(ran.stderr, "", "{shell}");
        // Exit codes and arguments pass through.
        let text = format!("{source}\nremote.config show --config 'agnet=a b'");
        let ran = script(&env, shell, &text);
        assert_eq!(ran.code, 2, "{shell}: {}", ran.all());
    }
}

#[test]
fn fish_completes_verbs_plain_and_dotted() {
    let env = TestEnv::new();
    let complete = |line: &str| {
        let text = format!("remote aliases fish | source\ncomplete --do-complete '{line}'");
        script(&env, "fish", &text).stdout
    };
    let found = complete("remote conf");
    assert!(found.starts_with("config\t"), "{found}");
    let found = complete("remote.config sh");
    assert!(found.starts_with("show\t"), "{found}");
    let found = complete("remote.config.show --js");
    assert!(found.starts_with("--json"), "{found}");
}

#[test]
fn zsh_completes_verbs_plain_and_dotted() {
    let env = TestEnv::new();
    let zsh = installed("zsh");
    let rc = "autoload -Uz compinit; compinit -u -D; PS1='> '\nsource <(remote aliases zsh)\n";
    std::fs::write(env.home().join(".zshrc"), rc).unwrap();
    let mut command = env.command(zsh);
    command.args(["-i", "-o", "no_global_rcs"]);
    let mut terminal = Terminal::spawn(command, size(100, 30));
    let line = |terminal: &mut Terminal, wanted: &str| {
        terminal.wait_for(wanted, |t| t.text().iter().any(|l| l.trim_end() == wanted));
    };
    line(&mut terminal, ">");
    terminal.send("remote conf\t");
    line(&mut terminal, "> remote config");
    terminal.send("\x15remote.config sh\t");
    line(&mut terminal, "> remote.config show");
    terminal.send("\x15exit\r");
    assert_eq!(terminal.wait_exit(), 0);
}
