//! What an agent that is a plain command is called: the program that does the work, not what leads up to it.

const LONGEST: usize = 32;
/// Programs that run another one, which is what counts.
const BEFORE: [&str; 9] = [
    "command", "doas", "env", "exec", "nice", "nohup", "setsid", "sudo", "time",
];
/// Shell commands that prepare the next.
const PREPARES: [&str; 7] = [".", "cd", "export", "pushd", "set", "source", "umask"];
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "fish", "ksh", "zsh"];

/// Of a command line for a shell.
pub fn of_command(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let found = worker(&words).or(words.first().copied()).unwrap_or("sh");
    let name = plain(found);
    if SHELLS.contains(&name.as_str())
        && let Ok(argv) = shell_words::split(line)
        && let Some(at) = argv.iter().position(|word| plain(word) == name)
        && let Some(script) = script(argv.get(at..).unwrap_or_default())
    {
        return of_command(script);
    }
    name
}

/// Of a program with its arguments.
pub fn of_argv(program: &str, argv: &[String]) -> String {
    let name = plain(program);
    match script(argv) {
        Some(script) if SHELLS.contains(&name.as_str()) => of_command(script),
        _ => name,
    }
}

/// The first word that is no assignment, no program that runs another, and no preparation.
fn worker<'a>(words: &[&'a str]) -> Option<&'a str> {
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        if BEFORE.contains(&plain(word).as_str()) {
            let mut after = rest.clone();
            while let Some(option) = after.next().filter(|w| w.starts_with('-')) {
                if has_value(&plain(word), option) {
                    after.next();
                }
                rest = after.clone();
            }
        } else if PREPARES.contains(&word) {
            rest.find(|w| matches!(*w, "&&" | ";") || w.ends_with(';'))?;
        } else if !word.contains('=') {
            return Some(word);
        }
    }
    None
}

fn has_value(program: &str, option: &str) -> bool {
    matches!(
        (program, option),
        ("sudo" | "doas", "-u" | "-g") | ("env", "-u") | ("nice", "-n")
    )
}

/// What `sh -c SCRIPT` runs.
fn script(argv: &[String]) -> Option<&str> {
    let option = argv.get(1).filter(|o| o.starts_with('-'))?;
    let script = argv.get(2).filter(|_| option.ends_with('c'))?;
    (!script.trim().is_empty()).then_some(script)
}

/// A program's name without its directory, printable and short.
fn plain(word: &str) -> String {
    let word = word.trim_end_matches(';');
    let name = word.rsplit('/').next().unwrap_or(word);
    name.chars()
        .filter(|c| !c.is_control())
        .take(LONGEST)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for (line, name) in [
            ("  /usr/bin/make -j test", "make"),
            ("\u{1b}[2Jx y", "[2Jx"),
            ("CI=1 i=0; cargo test", "cargo"),
            ("x=1", "x=1"),
            ("", "sh"),
            ("cd x && npm test", "npm"),
            ("cd x; set -e; npm test", "npm"),
            ("env -u C A=b cargo test", "cargo"),
            ("env A=b cargo test", "cargo"),
            ("sudo -u me /usr/bin/apt-get update", "apt-get"),
            ("sudo apt-get update", "apt-get"),
            ("nice -n 10 make", "make"),
            ("sh -c 'cd x && npm test'", "npm"),
            ("cd y && exec bash -lc 'CI=1 make'", "make"),
            ("sh run.sh", "sh"),
            ("cd x", "cd"),
            ("sh -c", "sh"),
        ] {
            assert_eq!(of_command(line), name, "{line}");
        }
        let argv = ["/bin/sh", "-c", "cd x && npm test"].map(str::to_owned);
        assert_eq!(of_argv("/bin/sh", &argv), "npm");
        let argv = ["cargo", "-c", "x"].map(str::to_owned);
        assert_eq!(of_argv("cargo", &argv), "cargo");
    }
}
