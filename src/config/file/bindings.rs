//! Reads `[keys]`.

use toml::Spanned;
use toml::de::DeValue;

use super::Reader;
use crate::config::bindings::{Action, Bindings};
use crate::config::chord::Chord;
use crate::config::keys::nearest;
use crate::config::settings::Config;

impl Reader<'_> {
    /// Keys by the names of what they do; over those of a lower layer.
    pub(super) fn bindings(&mut self, config: &mut Config, value: &Spanned<DeValue<'_>>) {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(value.span().start, "keys", "a table `[keys]`", value);
            return;
        };
        for (name, value) in table {
            let (written, at) = (name.get_ref().as_ref(), name.span().start);
            let action = Action::by_name(written);
            if action.is_none() && written != "prefix" {
                let names = Action::ALL.iter().map(|a| a.name()).chain(["prefix"]);
                let hint = match nearest(written, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`man remote.toml` lists what keys can do".to_owned(),
                };
                self.complain(at, format!("unknown key `keys.{written}`"), Some(hint));
                continue;
            }
            let Some(chords) = self.chords(written, value) else {
                continue;
            };
            match (action, chords.as_slice()) {
                (Some(action), chords) => {
                    if let Err((key, other)) = config.bindings.set(action, chords) {
                        let message =
                            format!("`keys.{written}`: {key} is `{}` already", other.name());
                        self.complain(at, message, None);
                    }
                }
                (None, [prefix]) => config.bindings.prefix = *prefix,
                (None, _) => self.wrong(at, "keys.prefix", "one key such as \"C-b\"", value),
            }
        }
    }

    /// One key or a list of them.
    fn chords(&mut self, name: &str, value: &Spanned<DeValue<'_>>) -> Option<Vec<Chord>> {
        let full = format!("keys.{name}");
        let texts: Option<Vec<&str>> = match value.get_ref() {
            DeValue::String(text) => Some(vec![text.as_ref()]),
            DeValue::Array(list) => list.iter().map(|v| v.get_ref().as_str()).collect(),
            _ => None,
        };
        let Some(texts) = texts else {
            let at = value.span().start;
            self.wrong(at, &full, "a key such as \"C-b\", or a list of keys", value);
            return None;
        };
        let mut chords = Vec::new();
        for text in texts {
            let why = match text.parse::<Chord>() {
                Ok(chord) if Bindings::is_reserved(chord) => {
                    "Escape gives the prefix up, and nothing else".to_owned()
                }
                Ok(chord) => {
                    chords.push(chord);
                    continue;
                }
                Err(e) => e.to_string(),
            };
            self.complain(value.span().start, format!("`{full}`: {why}"), None);
            return None;
        }
        Some(chords)
    }
}
