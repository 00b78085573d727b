//! What a typed line wants: a verb about an agent by its number, a word of ours, or a task.

use super::speaker::Speaker;
use crate::tui::home::AgentKey;

/// Verbs that take an agent, or its session.
const ABOUT: [(&str, Of); 13] = [
    ("answer", Of::Agent),
    ("attach", Of::Agent),
    ("diff", Of::Agent),
    ("digest", Of::Session),
    ("discard", Of::Session),
    ("extend", Of::Session),
    ("kill", Of::Agent),
    ("log", Of::Agent),
    ("logs", Of::Agent),
    ("pull", Of::Agent),
    ("restart", Of::Agent),
    ("status", Of::Session),
    ("terminate", Of::Session),
];
/// Verbs that need no name.
const ALONE: [&str; 5] = ["answer", "cost", "digest", "doctor", "status"];

const HELP: [&str; 11] = [
    "A task and Enter: dispatches it. `task` before it, where it begins with one of these words.",
    "A number: attaches to that agent. Enter, tilde and a full stop come back.",
    "list: says all agents again.",
    "answer 1: answers agent number 1.",
    "send 1 and a text: types that text there, and Enter.",
    "logs 1, diff 1, log 1, pull 1: what it printed, what it made.",
    "extend 1 30m: gives its session more time. status 1: its session in detail.",
    "kill 1, restart 1: the agent. terminate 1: the session.",
    "status, cost, digest, doctor: the verbs of these names, about all sessions.",
    "help: says this. quit, or Ctrl-D: leaves; all goes on.",
    "Ctrl-R says again what you have typed so far.",
];

/// What a verb's name is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Agent,
    Session,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Nothing,
    Quit,
    List,
    Say(Vec<String>),
    /// One of this program's verbs, with its arguments.
    Verb(Vec<String>),
}

impl Speaker {
    /// What is to be done about a line.
    pub fn asked(&mut self, line: &str) -> Asked {
        let line = line.trim();
        if let Some(task) = self.doubted.take() {
            return match line.to_lowercase().as_str() {
                "y" | "yes" => dispatch(&task),
                _ => say("Not dispatched."),
            };
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => Asked::Nothing,
            ["quit" | "exit" | "q"] => Asked::Quit,
            ["list" | "ls"] => Asked::List,
            ["help" | "?"] => Asked::Say(HELP.map(str::to_owned).to_vec()),
            ["task", _, ..] => dispatch(line.strip_prefix("task").unwrap_or(line).trim()),
            [word] if ALONE.contains(word) => Asked::Verb(vec![(*word).to_owned()]),
            [number] if number.parse::<usize>().is_ok() => {
                self.about("attach", Of::Agent, number, &[])
            }
            ["send", number, _, ..] if number.parse::<usize>().is_ok() => {
                let text = line
                    .splitn(3, char::is_whitespace)
                    .nth(2)
                    .unwrap_or_default();
                self.about("send", Of::Agent, number, &[text.trim()])
            }
            [word] if *word == "send" || about(word).is_some() => {
                say(&format!("Of which agent? Say its number too: {word} 1."))
            }
            [word, number, rest @ ..] if number.parse::<usize>().is_ok() => match about(word) {
                Some(of) => self.about(word, of, number, rest),
                None => dispatch(line),
            },
            // A slip of the finger is not to cost a machine.
            [word] => {
                self.doubted = Some((*word).to_owned());
                say(&format!("Dispatch the task \"{word}\"? Yes or no."))
            }
            _ => dispatch(line),
        }
    }

    fn about(&self, verb: &str, of: Of, number: &str, rest: &[&str]) -> Asked {
        let place = number.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let Some((session, agent)) = place.and_then(|n| self.numbers.get(n)).cloned() else {
            let last = self.numbers.len();
            return say(&format!(
                "There is no agent number {number}; the last is {last}."
            ));
        };
        let target = target(&(session, agent), of);
        let words = [verb, target.as_str()]
            .into_iter()
            .chain(rest.iter().copied());
        Asked::Verb(words.map(str::to_owned).collect())
    }
}

fn target((session, agent): &AgentKey, of: Of) -> String {
    match of {
        Of::Agent => format!("{session}/{agent}"),
        Of::Session => session.to_string(),
    }
}

fn about(word: &str) -> Option<Of> {
    let found = ABOUT.iter().find(|(verb, _)| *verb == word);
    found.map(|(_, of)| *of)
}

fn say(text: &str) -> Asked {
    Asked::Say(vec![text.to_owned()])
}

/// What begins with a dash is a task too.
fn dispatch(task: &str) -> Asked {
    let task = format!("--task={task}");
    Asked::Verb(vec!["dispatch".to_owned(), "--detach".to_owned(), task])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AgentState;
    use crate::tui::home::tests::report;

    fn speaker() -> Speaker {
        let mut speaker = Speaker::new(0, None);
        let agents = [AgentState::Working, AgentState::Working];
        speaker.see(report("session-aaaaaa", 5, &agents), None);
        speaker
    }

    fn verb(speaker: &mut Speaker, line: &str) -> String {
        match speaker.asked(line) {
            Asked::Verb(args) => args.join("|"),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn numbers_name_agents_and_words_are_verbs_only_with_them() {
        let mut s = speaker();
        let verb = |s: &mut Speaker, line| verb(s, line);
        assert_eq!(verb(&mut s, "2"), "attach|session-aaaaaa/2");
        assert_eq!(verb(&mut s, " answer  1 "), "answer|session-aaaaaa/1");
        assert_eq!(verb(&mut s, "extend 2 30m"), "extend|session-aaaaaa|30m");
        assert_eq!(verb(&mut s, "send 1 y  es"), "send|session-aaaaaa/1|y  es");
        assert_eq!(verb(&mut s, "status"), "status");
        let task = |text: &str| format!("dispatch|--detach|--task={text}");
        for text in ["answer the question", "-x is broken", "pull 3rd party code"] {
            assert_eq!(verb(&mut s, text), task(text));
        }
        assert_eq!(verb(&mut s, "task status"), task("status"));
        for line in ["3", "answer 0", "attach 9"] {
            let said = s.asked(line);
            assert!(
                matches!(&said, Asked::Say(l) if l[0].starts_with("There is no")),
                "{said:?}"
            );
        }
        assert!(matches!(s.asked("pull"), Asked::Say(_)));
        assert_eq!(s.asked("quit"), Asked::Quit);
        assert_eq!(s.asked(""), Asked::Nothing);
        assert_eq!(s.asked("list"), Asked::List);
    }

    #[test]
    fn a_task_of_one_word_is_asked_about_first() {
        let mut s = speaker();
        let asked = s.asked("statsu");
        assert_eq!(asked, say("Dispatch the task \"statsu\"? Yes or no."));
        assert_eq!(s.asked("no"), say("Not dispatched."));
        s.asked("lint");
        assert_eq!(verb(&mut s, "yes"), "dispatch|--detach|--task=lint");
        assert!(matches!(s.asked("help"), Asked::Say(_)));
    }
}
