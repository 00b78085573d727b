//! Reads `[[notify]]`.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Reader;
use crate::config::keys::nearest;
use crate::config::notify::{NotifyRule, Way, check_url};
use crate::config::settings::Config;
use crate::config::value::parse_duration;
use crate::model::NewsKind;

const FIELDS: [&str; 6] = ["on", "how", "after", "url", "command", "where"];
const WAYS: [&str; 5] = ["desktop", "osc9", "bell", "webhook", "command"];
const WHERE: [&str; 2] = ["here", "host"];

impl Reader<'_> {
    /// The file's rules are all there are: `notify = []` is none.
    pub(super) fn notify(&mut self, config: &mut Config, value: &Spanned<DeValue<'_>>) {
        let Some(array) = value.get_ref().as_array() else {
            let at = value.span().start;
            self.wrong(at, "notify", "tables `[[notify]]`", value);
            return;
        };
        config.notify = array.iter().filter_map(|one| self.notice(one)).collect();
    }

    fn notice(&mut self, value: &Spanned<DeValue<'_>>) -> Option<NotifyRule> {
        let at = value.span().start;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(at, "notify", "tables `[[notify]]`", value);
            return None;
        };
        let unknown = table
            .keys()
            .find(|k| !FIELDS.contains(&k.get_ref().as_ref()));
        if let Some(key) = unknown {
            let hint = match nearest(key.get_ref(), FIELDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("a rule has {}", FIELDS.join(", ")),
            };
            let message = format!("unknown key `notify.{}`", key.get_ref());
            self.complain(key.span().start, message, Some(hint));
            return None;
        }
        let Some(how) = table.get("how") else {
            let hint = "write `how = \"desktop\"`".to_owned();
            self.complain(at, "a rule of `notify` needs how".to_owned(), Some(hint));
            return None;
        };
        let how = self.word(how, "notify.how", &WAYS)?;
        let way = self.way(at, how, table)?;
        let mut rule = NotifyRule::new(way, self.origin(at));
        if let Some(on) = table.get("on") {
            rule.on = self.kinds(on)?;
        }
        if let Some(after) = table.get("after") {
            let at = after.span().start;
            let Some(text) = after.get_ref().as_str() else {
                self.wrong(at, "notify.after", "a time such as \"30s\"", after);
                return None;
            };
            match parse_duration(text) {
                Ok(time) => rule.after = time,
                Err(why) => {
                    let message = format!("`notify.after` must be a time such as \"30s\": {why}");
                    self.complain(at, message, None);
                    return None;
                }
            }
        }
        Some(rule)
    }

    /// What the rule's `how` needs is there, and nothing that it has no use for.
    fn way(&mut self, at: usize, how: &str, table: &DeTable<'_>) -> Option<Way> {
        for (field, of) in [
            ("url", "webhook"),
            ("command", "command"),
            ("where", "command"),
        ] {
            if let Some(value) = table.get(field)
                && how != of
            {
                let message = format!("`notify.{field}` is of no use where how is \"{how}\"");
                let hint = format!("it belongs to `how = \"{of}\"`");
                self.complain(value.span().start, message, Some(hint));
                return None;
            }
        }
        match how {
            "desktop" => Some(Way::Desktop),
            "osc9" => Some(Way::Osc9),
            "bell" => Some(Way::Bell),
            "webhook" => {
                let (at, url) = self.needed(at, how, "url", table)?;
                match check_url(&url) {
                    Ok(()) => Some(Way::Webhook { url }),
                    Err(why) => {
                        self.complain(at, format!("`notify.url` {why}"), None);
                        None
                    }
                }
            }
            _ => {
                let (_, command) = self.needed(at, how, "command", table)?;
                let place = match table.get("where") {
                    Some(value) => self.word(value, "notify.where", &WHERE)?,
                    None => "here",
                };
                Some(Way::Command {
                    command,
                    on_host: place == "host",
                })
            }
        }
    }

    /// A text that is there, and where.
    fn needed(
        &mut self,
        at: usize,
        how: &str,
        field: &str,
        table: &DeTable<'_>,
    ) -> Option<(usize, String)> {
        let Some(value) = table.get(field) else {
            let message = format!("a rule of `notify` whose how is \"{how}\" needs {field}");
            self.complain(at, message, None);
            return None;
        };
        let at = value.span().start;
        match value.get_ref().as_str().filter(|text| !text.is_empty()) {
            Some(text) => Some((at, text.to_owned())),
            None => {
                // Not as it stands there: it may be a secret.
                self.complain(at, format!("`notify.{field}` must be text in quotes"), None);
                None
            }
        }
    }

    fn word(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        path: &str,
        words: &[&'static str],
    ) -> Option<&'static str> {
        let text = value.get_ref().as_str();
        let found = text.and_then(|text| words.iter().find(|w| **w == text));
        if found.is_none() {
            let expected = format!("one of \"{}\"", words.join("\", \""));
            self.wrong(value.span().start, path, &expected, value);
        }
        found.copied()
    }

    fn kinds(&mut self, value: &Spanned<DeValue<'_>>) -> Option<Vec<NewsKind>> {
        let words = NewsKind::ALL.map(NewsKind::word);
        let Some(array) = value.get_ref().as_array().filter(|a| !a.is_empty()) else {
            let expected = format!("a list of \"{}\"", words.join("\", \""));
            self.wrong(value.span().start, "notify.on", &expected, value);
            return None;
        };
        let kinds = array.iter().map(|one| {
            let word = self.word(one, "notify.on", &words)?;
            NewsKind::ALL.into_iter().find(|k| k.word() == word)
        });
        kinds.collect()
    }
}
