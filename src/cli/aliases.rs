//! `remote aliases`: the dotted spelling, `remote.workspace.create` for `remote workspace create`, as shell
//! functions that complete as the verbs do.

use std::process::ExitCode;

use super::Ctx;
use super::completions::{Shell, program, registration};
use crate::error::Result;

/// Print shell functions for the dotted spelling: `remote.status` for `remote status`
///
/// One function for every verb, completion included.
/// For bash, in ~/.bashrc: source <(remote aliases bash).
/// For zsh, in ~/.zshrc after compinit: source <(remote aliases zsh).
/// For fish, in ~/.config/fish/config.fish: remote aliases fish | source.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: Shell,
}

pub async fn run(args: Args, ctx: &Ctx) -> Result<ExitCode> {
    let program = program();
    let mut script = String::from_utf8_lossy(&registration(args.shell, &program)?).into_owned();
    script += &functions(args.shell, &program, &verbs());
    ctx.ui.raw(script.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Every visible verb as its words, nested ones too: `["workspace", "create"]`.
fn verbs() -> Vec<Vec<String>> {
    fn collect(command: &clap::Command, above: &[String], all: &mut Vec<Vec<String>>) {
        for verb in command.get_subcommands().filter(|v| !v.is_hide_set()) {
            let words: Vec<String> = above
                .iter()
                .cloned()
                .chain([verb.get_name().to_owned()])
                .collect();
            all.push(words.clone());
            collect(verb, &words, all);
        }
    }
    let mut all = Vec::new();
    collect(&super::command(), &[], &mut all);
    all
}

fn functions(shell: Shell, program: &str, verbs: &[Vec<String>]) -> String {
    let mut script = String::new();
    let quoted = shell_words::quote(program);
    let names: Vec<String> = verbs
        .iter()
        .map(|words| format!("remote.{}", words.join(".")))
        .collect();
    for (name, words) in names.iter().zip(verbs) {
        script += &match shell {
            Shell::Bash | Shell::Zsh => {
                format!(
                    "function {name} {{ command {quoted} {} \"$@\"; }}\n",
                    words.join(" ")
                )
            }
            Shell::Fish => format!(
                "function {name}; command {} {} $argv; end\n",
                fish_quote(program),
                words.join(" ")
            ),
        };
    }
    let names = names.join(" ");
    script += &match shell {
        Shell::Bash => BASH.replace("NAMES", &names),
        Shell::Zsh => ZSH.replace("NAMES", &names),
        Shell::Fish => FISH
            .replace("NAMES", &names)
            .replace("PROGRAM", &fish_quote(program)),
    };
    script
}

/// The line that was typed is rewritten to the verb's own words, then completed as that.
const BASH: &str = r#"
_remote_dotted() {
    local -a dotted
    IFS=. read -r -a dotted <<< "${COMP_WORDS[0]}"
    COMP_WORDS=("${dotted[@]}" "${COMP_WORDS[@]:1}")
    COMP_CWORD=$((COMP_CWORD + ${#dotted[@]} - 1))
    _clap_complete_remote remote "$2" "$3"
}
complete -o nospace -o bashdefault -F _remote_dotted NAMES
"#;

const ZSH: &str = r#"
function _remote_dotted {
    local -a dotted=("${(@s:.:)words[1]}")
    words=("${dotted[@]}" "${(@)words[2,-1]}")
    (( CURRENT += ${#dotted} - 1 ))
    _clap_dynamic_completer_remote
}
if (( $+functions[compdef] )); then compdef _remote_dotted NAMES; fi
"#;

const FISH: &str = r#"
function __remote_dotted
    set -l words (commandline --current-process --tokenize --cut-at-cursor)
    COMPLETE=fish PROGRAM -- (string split . -- $words[1]) $words[2..] (commandline --current-token)
end
for name in NAMES
    complete --keep-order --exclusive --command $name --arguments "(__remote_dotted)"
end
"#;

fn fish_quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/_-.+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_verbs_have_a_name_and_hidden_ones_have_none() {
        let verbs = verbs();
        let has = |words: &[&str]| verbs.iter().any(|v| v == words);
        assert!(has(&["config"]) && has(&["config", "show"]));
        assert!(!has(&["util"]) && !has(&["util", "man"]));
    }

    #[test]
    fn a_path_with_a_space_is_quoted() {
        let script = functions(Shell::Bash, "/a b/remote", &[vec!["status".to_owned()]]);
        assert!(
            script.starts_with("function remote.status { command '/a b/remote' status \"$@\"; }\n")
        );
        assert_eq!(fish_quote("/a b/it's"), "'/a b/it\\'s'");
    }
}
