//! Which key does what in the multiplexer, after the prefix: tmux's own keys where it has them. `[keys]` of
//! the configuration changes them by the actions' names.

use super::chord::{Chord, Code};

macro_rules! actions {
    ($($name:ident $written:literal [$($key:literal),*] $help:literal,)*) => {
        /// What a person can do in the multiplexer.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Action {
            $($name,)*
        }

        impl Action {
            /// All of them, in the order of the help.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// Its name in the configuration.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $written,)*
                }
            }

            /// What it does, in a few words.
            pub fn help(self) -> &'static str {
                match self {
                    $(Self::$name => $help,)*
                }
            }

            fn defaults(self) -> &'static [&'static str] {
                match self {
                    $(Self::$name => &[$($key),*],)*
                }
            }
        }
    };
}

actions! {
    SplitRight "split-right" ["%"] "new shell to the right",
    SplitDown "split-down" ["\""] "new shell below",
    NewTab "new-tab" ["c"] "new tab with a shell",
    NextTab "next-tab" ["n"] "next tab",
    PreviousTab "previous-tab" ["p"] "previous tab",
    LastTab "last-tab" ["l"] "tab shown before",
    CloseTab "close-tab" ["&"] "close the tab",
    RenameTab "rename-tab" [","] "rename the tab",
    Left "left" ["Left"] "pane to the left",
    Right "right" ["Right"] "pane to the right",
    Up "up" ["Up"] "pane above",
    Down "down" ["Down"] "pane below",
    NextPane "next-pane" ["o"] "next pane",
    LastPane "last-pane" [";"] "pane used before",
    Zoom "zoom" ["z"] "zoom the pane",
    ClosePane "close-pane" ["x"] "close the pane",
    BreakPane "break-pane" ["!"] "pane to a tab of its own",
    SwapNext "swap-next" ["}"] "swap with the next pane",
    SwapPrevious "swap-previous" ["{"] "swap with the previous pane",
    Rotate "rotate" ["C-o"] "rotate the panes",
    NextLayout "next-layout" ["Space"] "next layout",
    GrowLeft "grow-left" ["C-Left"] "border left by 1",
    GrowRight "grow-right" ["C-Right"] "border right by 1",
    GrowUp "grow-up" ["C-Up"] "border up by 1",
    GrowDown "grow-down" ["C-Down"] "border down by 1",
    GrowLeft5 "grow-left-5" ["M-Left"] "border left by 5",
    GrowRight5 "grow-right-5" ["M-Right"] "border right by 5",
    GrowUp5 "grow-up-5" ["M-Up"] "border up by 5",
    GrowDown5 "grow-down-5" ["M-Down"] "border down by 5",
    Copy "copy" ["[", "PageUp"] "scroll back, search, copy",
    Search "search" ["/"] "search the history",
    SearchAll "search-all" ["f"] "search all agents' history",
    Paste "paste" ["]"] "paste what was copied",
    List "list" ["w", "s"] "sessions and agents",
    Palette "palette" [":"] "all commands",
    Help "help" ["?"] "all keys",
    Messages "messages" ["~"] "what was said lately",
    Detach "detach" ["d"] "leave; all goes on",
    Resume "resume" ["r"] "start an ended agent again",
    Answer "answer" ["a"] "answer the agent",
    Extend "extend" ["e"] "extend the session",
    Pull "pull" ["P"] "pull the results",
    Terminate "terminate" ["T"] "end the session",
    Tab0 "tab-0" ["0"] "tab 0",
    Tab1 "tab-1" ["1"] "tab 1",
    Tab2 "tab-2" ["2"] "tab 2",
    Tab3 "tab-3" ["3"] "tab 3",
    Tab4 "tab-4" ["4"] "tab 4",
    Tab5 "tab-5" ["5"] "tab 5",
    Tab6 "tab-6" ["6"] "tab 6",
    Tab7 "tab-7" ["7"] "tab 7",
    Tab8 "tab-8" ["8"] "tab 8",
    Tab9 "tab-9" ["9"] "tab 9",
}

impl Action {
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|a| a.name() == name)
    }

    /// Tab 0 is number 0.
    pub fn tab(self) -> Option<usize> {
        let number = self.name().strip_prefix("tab-")?;
        number.parse().ok()
    }

    /// It is about one agent or its session.
    pub fn is_of_agent(self) -> bool {
        use Action::{Answer, Extend, Pull, Resume, Terminate};
        matches!(self, Resume | Answer | Extend | Pull | Terminate)
    }

    /// Typed again at once it needs no prefix.
    pub fn repeats(self) -> bool {
        self.name().starts_with("grow-")
            || matches!(self, Self::Left | Self::Right | Self::Up | Self::Down)
    }
}

/// The prefix, and what each key after it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bindings {
    pub prefix: Chord,
    keys: Vec<(Chord, Action)>,
    /// Set by a person: the same key may not be set twice.
    set: Vec<Chord>,
}

impl Default for Bindings {
    fn default() -> Self {
        let keys = Action::ALL.iter().flat_map(|action| {
            let keys = action.defaults().iter().filter_map(|key| key.parse().ok());
            keys.map(|key| (key, *action))
        });
        Self {
            prefix: Chord::ctrl('b'),
            keys: keys.collect(),
            set: Vec::new(),
        }
    }
}

impl Bindings {
    /// What a key does after the prefix.
    pub fn action(&self, chord: Chord) -> Option<Action> {
        let found = self.keys.iter().find(|(key, _)| *key == chord);
        found.map(|(_, action)| *action)
    }

    /// The keys of an action, as they are written.
    pub fn keys_of(&self, action: Action) -> Vec<String> {
        let keys = self.keys.iter().filter(|(_, a)| *a == action);
        keys.map(|(key, _)| key.to_string()).collect()
    }

    /// Gives an action these keys and no others; what had them before loses them.
    ///
    /// # Errors
    /// One of them was given to another action in the same way.
    pub fn set(&mut self, action: Action, keys: &[Chord]) -> Result<(), (Chord, Action)> {
        for key in keys.iter().filter(|key| self.set.contains(key)) {
            if let Some(other) = self.action(*key).filter(|other| *other != action) {
                return Err((*key, other));
            }
        }
        self.keys
            .retain(|(key, a)| *a != action && !keys.contains(key));
        self.keys.extend(keys.iter().map(|key| (*key, action)));
        self.set.extend(keys);
        Ok(())
    }

    /// Keys that would never be seen after the prefix: Escape gives that up.
    pub fn is_reserved(chord: Chord) -> bool {
        chord == Chord::plain(Code::Escape)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_default_is_a_key_of_its_own() {
        let bindings = Bindings::default();
        let keys: BTreeSet<Chord> = bindings.keys.iter().map(|(key, _)| *key).collect();
        let written: usize = Action::ALL.iter().map(|a| a.defaults().len()).sum();
        assert_eq!((keys.len(), bindings.keys.len()), (written, written));
        for action in Action::ALL {
            assert_eq!(Action::by_name(action.name()), Some(*action));
            assert!(!bindings.keys_of(*action).is_empty());
        }
        assert_eq!(bindings.action(Chord::char('%')), Some(Action::SplitRight));
        assert_eq!(Action::Tab7.tab(), Some(7));
    }

    #[test]
    fn the_manual_has_every_action() {
        let text = include_str!("../../docs/TUI.md");
        let page = include_str!("../../man/remote.toml.5");
        for action in Action::ALL.iter().filter(|a| a.tab().is_none()) {
            let keys = Bindings::default().keys_of(*action);
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            let row = format!(
                "| `{}` | {} | {} |",
                action.name(),
                keys.join(", "),
                action.help()
            );
            assert!(text.contains(&row), "docs/TUI.md lacks {row}");
            assert!(
                page.contains(&format!(".Ql {} ,", action.name())),
                "{}",
                action.name()
            );
        }
    }

    #[test]
    fn a_key_that_is_taken_moves_and_one_that_was_set_stays() {
        let mut bindings = Bindings::default();
        let d = Chord::char('d');
        assert_eq!(bindings.set(Action::Zoom, &[d]), Ok(()));
        assert_eq!(bindings.action(d), Some(Action::Zoom));
        assert!(bindings.keys_of(Action::Detach).is_empty());
        assert_eq!(bindings.action(Chord::char('z')), None);
        assert_eq!(bindings.set(Action::Help, &[d]), Err((d, Action::Zoom)));
    }
}
