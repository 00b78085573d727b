//! An agent's own setup, where its home outlives the machine: what it has left there is not made again. Decided there,
//! by the shell that would run it: a mark in that home, by the command's text, that is written only if the command
//! has kept to the home. What it does to the machine itself (packages, services) is gone with that machine, so a
//! command that names `sudo`, or after which anything of the system has changed, is run each time.

use sha2::{Digest, Sha256};

/// What is said in place of all that setup would print.
pub const REUSED: &str = "reused from the volume";

/// $1 the command, $2 the mark's name, $3 the agent's program, $4 whether to run it anyway, $5 what to say.
const SCRIPT: &str = r#"mark=$HOME/.remote/setup/$2
[ -f /etc/remote/machine.json ] || exec sh -c "$1"
case $1 in *sudo*) exec sh -c "$1" ;; esac
if [ -z "$4" ] && [ -e "$mark" ] && command -v "$3" >/dev/null; then echo "$5"; exit 0; fi
rm -f "$mark"
begun=$(mktemp) && sleep 0.02
sh -c "$1" || { code=$?; rm -f "$begun"; exit $code; }
changed=$(find /usr/bin /usr/sbin /usr/lib /usr/lib/node_modules /usr/local /usr/local/* /usr/local/lib/* /opt /etc \
    /var/lib/dpkg /var/lib/rpm -maxdepth 1 ! -path /etc/remote -cnewer "$begun" 2>/dev/null | head -n 1)
rm -f "$begun"
[ -n "$changed" ] || { mkdir -p "${mark%/*}" && : >"$mark"; } || :
"#;

/// The command that runs `command`, or only says [`REUSED`]; `again` runs it whatever is there.
pub fn line(command: &str, program: &str, again: bool) -> String {
    let digest = Sha256::digest(command.as_bytes());
    let mark: String = digest.iter().take(8).map(|b| format!("{b:02x}")).collect();
    let again = if again { "again" } else { "" };
    shell_words::join([
        "sh", "-c", SCRIPT, "sh", command, &mark, program, again, REUSED,
    ])
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn on_a_machine_that_was_not_rented_it_is_the_command_itself() {
        let home = tempfile::tempdir().expect("a home");
        let command = "echo it\\'s \"$X\"; exit 7";
        let ran = Command::new("sh")
            .args(["-c", &line(command, "sh", false)])
            .env("HOME", home.path())
            .env("X", "a  b")
            .output()
            .expect("sh");
        assert_eq!(ran.status.code(), Some(7));
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "it's a  b\n");
        assert!(!home.path().join(".remote").exists());
    }

    #[test]
    fn another_text_has_another_mark() {
        let [one, same, other] = ["a", "a", "b"].map(|c| line(c, "claude", false));
        assert!(one == same && one != other);
    }
}
