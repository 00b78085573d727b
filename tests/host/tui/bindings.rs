//! Every key after the prefix does what its row in docs/TUI.md says, with tmux's keys and with others in their
//! place; and all keys of looking back and of the list. An action without an assertion here fails a test.

mod list;
mod looking;
mod scenes;

use std::collections::BTreeSet;
use std::fmt::Write as _;

use remote_compute::config::{Action, Bindings, Chord};

use self::scenes::{Place, SCENES, seen_in};
use super::{mux, titles};
use crate::common::env::TestEnv;
use crate::common::terminal::{Terminal, USUAL};

/// Which actions a scene asserts, and the scene.
type Scene = (&'static [&'static str], fn(&mut Hands));

/// A person at the terminal, whose keys are these.
struct Hands {
    env: TestEnv,
    t: Terminal,
    bindings: Bindings,
    prefix: &'static str,
    pressed: BTreeSet<String>,
}

/// A key as a terminal sends it.
fn sent(key: &str) -> String {
    let named = match key {
        "Left" => "\x1b[D",
        "Right" => "\x1b[C",
        "Up" => "\x1b[A",
        "Down" => "\x1b[B",
        "C-Left" => "\x1b[1;5D",
        "C-Right" => "\x1b[1;5C",
        "C-Up" => "\x1b[1;5A",
        "C-Down" => "\x1b[1;5B",
        "M-Left" => "\x1b[1;3D",
        "M-Right" => "\x1b[1;3C",
        "M-Up" => "\x1b[1;3A",
        "M-Down" => "\x1b[1;3B",
        "Space" => " ",
        "Tab" => "\t",
        "Enter" => "\r",
        "Escape" => "\x1b",
        "PageUp" => "\x1b[5~",
        "PageDown" => "\x1b[6~",
        "Home" => "\x1b[H",
        "End" => "\x1b[F",
        _ => "",
    };
    if !named.is_empty() {
        return named.to_owned();
    }
    match key.split_once('-').filter(|(held, _)| held.len() == 1) {
        Some(("C", c)) => char::from(c.as_bytes()[0] & 0x1f).to_string(),
        Some(("M", c)) => format!("\x1b{c}"),
        _ => key.to_owned(),
    }
}

impl Hands {
    /// At a shell in a tab of its own.
    fn new(rebound: bool) -> Self {
        let mut env = TestEnv::new();
        env.set("PS1", "ok> ");
        let (mut bindings, mut prefix) = (Bindings::default(), "\x02");
        if rebound {
            let mut config = "[keys]\nprefix = \"C-a\"\n".to_owned();
            prefix = "\x01";
            assert!(
                others().count() >= Action::ALL.len(),
                "more keys are needed"
            );
            for (action, key) in Action::ALL.iter().zip(others()) {
                let _ = writeln!(config, "{} = \"{key}\"", action.name());
                let key: Chord = key.parse().expect("a key");
                bindings.set(*action, &[key]).expect("a free key");
            }
            let path = env.home().join(".config/remote/config.toml");
            std::fs::create_dir_all(path.parent().expect("a directory")).expect("it");
            std::fs::write(&path, config).expect("a file");
        }
        let mut t = mux(&env, &["--", "sh"], USUAL);
        t.wait_text("ok>");
        Self {
            env,
            t,
            bindings,
            prefix,
            pressed: BTreeSet::new(),
        }
    }

    /// Presses the prefix and the action's key, or the one of its keys that is asked for.
    fn key(&mut self, action: &str, which: usize) {
        let of = Action::by_name(action).unwrap_or_else(|| panic!("no action {action}"));
        let keys = self.bindings.keys_of(of);
        let key = keys.get(which).or(keys.first()).expect("a key");
        self.pressed.insert(format!("{action} {key}"));
        let typed = format!("{}{}", self.prefix, sent(key));
        self.t.send(typed);
    }

    /// Presses an action's key and waits for what it does.
    fn does(&mut self, action: &str, what: &str, seen: impl FnMut(&Terminal) -> bool) {
        self.does_by(action, 0, what, seen);
    }

    fn does_by(
        &mut self,
        action: &str,
        which: usize,
        what: &str,
        seen: impl FnMut(&Terminal) -> bool,
    ) {
        self.key(action, which);
        self.t.wait_for(&format!("{what}, by {action}"), seen);
    }

    /// What is typed now is seen there.
    fn types(&mut self, word: &str, what: &str, place: Place) {
        let (head, tail) = word.split_at(1);
        self.t.send(format!("echo {head}''{tail}\r"));
        self.t
            .wait_for(&format!("{word} in {what}"), |t| seen_in(t, word, place));
    }
}

/// Keys that no action has by itself, one for each.
fn others() -> impl Iterator<Item = String> {
    // Not O and P, nor X: with Escape before them these begin something else.
    let letters = ('a'..='z')
        .chain('A'..='N')
        .chain('Q'..='W')
        .chain('Y'..='Z');
    letters.chain('0'..='9').map(|c| format!("M-{c}"))
}

/// Plays a scene; all it says it asserts, by each of its keys, was pressed.
fn play((asserts, scene): Scene, rebound: bool) {
    let mut hands = Hands::new(rebound);
    scene(&mut hands);
    for action in asserts {
        let of = Action::by_name(action).expect("an action");
        for key in hands.bindings.keys_of(of) {
            let pressed = hands.pressed.contains(&format!("{action} {key}"));
            assert!(pressed, "{action} was not asserted by {key}");
        }
    }
    if hands.t.running() {
        hands.key("detach", 0);
        assert_eq!(hands.t.wait_exit(), 0, "{}", hands.t.text().join("\n"));
    }
}

#[test]
fn every_action_has_an_assertion() {
    let asserted: BTreeSet<&str> = SCENES
        .iter()
        .flat_map(|(asserts, _)| *asserts)
        .copied()
        .collect();
    let missing: Vec<&str> = Action::ALL
        .iter()
        .map(|a| a.name())
        .filter(|name| !asserted.contains(name))
        .collect();
    assert!(
        missing.is_empty(),
        "no scene of this file asserts what these do: {missing:?}"
    );
}

#[test]
fn panes_are_split_gone_to_zoomed_and_closed() {
    play(SCENES[0], false);
}

#[test]
fn borders_move() {
    play(SCENES[1], false);
}

#[test]
fn panes_change_places() {
    play(SCENES[2], false);
}

#[test]
fn tabs_are_opened_gone_to_named_and_closed() {
    play(SCENES[3], false);
}

#[test]
fn one_looks_back_searches_and_pastes() {
    play(SCENES[4], false);
}

#[test]
fn views_open_and_close() {
    play(SCENES[5], false);
}

#[test]
fn agents_are_resumed_answered_extended_pulled_and_ended() {
    play(SCENES[6], false);
}

#[test]
fn other_keys_do_the_same() {
    for scene in SCENES {
        play(*scene, true);
    }
    // And the keys that they had do nothing.
    let mut h = Hands::new(true);
    h.t.send("\x01%");
    h.t.wait_text("C-a % does nothing");
    h.t.send("\x02");
    assert_eq!(titles(&h.t), 1);
    h.key("detach", 0);
    assert_eq!(h.t.wait_exit(), 0);
}
