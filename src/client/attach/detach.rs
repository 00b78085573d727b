//! `--detach-key`: one key, or several typed one after the other, as people write them: `C-\`, `C-b d`.

use std::str::FromStr;

use super::keys::Key;

/// The keys that leave, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachKey(Vec<Key>);

/// What was given names no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` names no key; write `C-\\`, `C-b d`, `Esc q`: characters, with `C-` for Ctrl, in the order they are typed"
)]
pub struct DetachKeyError(String);

impl DetachKey {
    pub(super) fn keys(&self) -> &[Key] {
        &self.0
    }
}

impl FromStr for DetachKey {
    type Err = DetachKeyError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let keys: Option<Vec<_>> = s.split_whitespace().map(key).collect();
        match keys {
            Some(keys) if !keys.is_empty() => Ok(Self(keys)),
            _ => Err(DetachKeyError(s.to_owned())),
        }
    }
}

fn key(word: &str) -> Option<Key> {
    match word {
        "Enter" => return Some(Key::Char('\r', false)),
        "Esc" | "Escape" => return Some(Key::Char('\x1b', false)),
        "Space" => return Some(Key::Char(' ', false)),
        "Tab" => return Some(Key::Char('i', true)),
        _ => {}
    }
    let control = ["C-", "c-", "^", "ctrl-", "Ctrl-"];
    let rest = control.iter().find_map(|p| word.strip_prefix(p));
    let (word, ctrl) = match rest {
        Some(rest) if !rest.is_empty() => (rest, true),
        _ => (word, false),
    };
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        (Some(c), None) if c.is_ascii_graphic() => {
            let c = if ctrl { c.to_ascii_lowercase() } else { c };
            Some(Key::Char(c, ctrl))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_people_write_them() {
        let key = |s: &str| s.parse::<DetachKey>().map(|k| k.0);
        assert_eq!(key("C-\\"), Ok(vec![Key::Char('\\', true)]));
        assert_eq!(
            key("^P ^q"),
            Ok(vec![Key::Char('p', true), Key::Char('q', true)])
        );
        assert_eq!(
            key("C-b d"),
            Ok(vec![Key::Char('b', true), Key::Char('d', false)])
        );
        assert!(key("").is_err() && key("C-").is_err() && key("PageUp").is_err());
    }
}
