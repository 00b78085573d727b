//! Opens addresses of the web and of mail with the person's own browser, where there is a screen for one: never
//! through a shell, for what a program wrote is in them.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What may open an address here, the likeliest first; none where there is no screen for a browser.
pub fn commands(address: &str, env: &BTreeMap<String, String>) -> Vec<Command> {
    let set = |name: &str| env.get(name).filter(|value| !value.is_empty());
    let mut all = Vec::new();
    for line in set("BROWSER")
        .iter()
        .flat_map(|browsers| browsers.split(':'))
    {
        let Ok(mut words) = shell_words::split(line) else {
            continue;
        };
        // By custom `%s` is the address, else it is the last word.
        match words.iter_mut().skip(1).find(|word| word.contains("%s")) {
            Some(word) => *word = word.replace("%s", address),
            None => words.push(address.to_owned()),
        }
        if let [program, arguments @ ..] = &words[..]
            && !arguments.is_empty()
        {
            let mut command = Command::new(program);
            command.args(arguments);
            all.push(command);
        }
    }
    let screen = match cfg!(target_os = "macos") {
        // The browser of who sits there would open, not of who came in by SSH.
        true => set("SSH_CONNECTION").is_none(),
        false => ["DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME"]
            .iter()
            .any(|name| set(name).is_some()),
    };
    if screen {
        all.extend(open::commands(address));
    }
    all
}

/// One that still runs by then is the browser itself, and shows it.
const SHOWS: Duration = Duration::from_secs(5);

/// Runs them in turn until one succeeds; whether one did.
pub async fn run(commands: Vec<Command>) -> bool {
    for command in commands {
        let mut command = tokio::process::Command::from(command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // What ends us by the keyboard does not end it.
        command.process_group(0);
        let Ok(mut child) = command.spawn() else {
            continue;
        };
        match tokio::time::timeout(SHOWS, child.wait()).await {
            Ok(Ok(status)) if status.success() => return true,
            Ok(_) => {}
            Err(_) => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(env: &[(&str, &str)]) -> Vec<String> {
        let env = env
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect();
        let commands = commands("https://a.b/$(c)", &env);
        let words = |c: &Command| {
            let all = std::iter::once(c.get_program()).chain(c.get_args());
            all.map(|w| w.to_string_lossy().into_owned())
                .collect::<Vec<_>>()
                .join(" ")
        };
        commands.iter().map(words).collect()
    }

    #[test]
    fn the_persons_browser_is_first_and_without_a_screen_there_is_none() {
        assert_eq!(shown(&[("BROWSER", "")]), [""; 0]);
        assert_eq!(
            shown(&[("BROWSER", "w3m -x:lynx '%s' -y::'")]),
            ["w3m -x https://a.b/$(c)", "lynx https://a.b/$(c) -y"]
        );
        let screen = if cfg!(target_os = "macos") {
            ("X", "")
        } else {
            ("DISPLAY", ":0")
        };
        assert!(
            shown(&[screen])
                .iter()
                .any(|c| c.ends_with(" https://a.b/$(c)"))
        );
    }

    #[tokio::test]
    async fn one_that_fails_is_followed_by_the_next() {
        assert!(
            run(vec![
                Command::new("/no/such"),
                Command::new("false"),
                Command::new("true")
            ])
            .await
        );
        assert!(!run(vec![Command::new("false")]).await);
    }
}
