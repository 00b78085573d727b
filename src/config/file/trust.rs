//! Reads an agent's `trust`.

use toml::Spanned;
use toml::de::DeValue;

use super::{Reader, texts};
use crate::config::Trust;
use crate::config::keys;

const KEYS: [&str; 5] = ["record", "at", "is", "args", "env"];

impl Reader<'_> {
    /// On top of what a lower layer has said; an empty table takes that away.
    pub(super) fn trust(
        &mut self,
        before: Option<Trust>,
        path: &str,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<Trust> {
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(value.span().start, path, "a table", value);
            return before;
        };
        if table.is_empty() {
            return None;
        }
        let mut trust = before.unwrap_or_default();
        for (key, value) in table {
            let (at, name) = (key.span().start, key.get_ref().as_ref());
            let full = format!("{path}.{name}");
            let inner = value.get_ref();
            let list = || {
                let words = inner.as_array()?.iter();
                let texts = words.map(|w| w.get_ref().as_str().map(str::to_owned));
                texts.collect::<Option<Vec<_>>>()
            };
            let text = || inner.as_str().map(str::to_owned);
            let (done, wanted) = match name {
                "record" => (text().map(|t| trust.record = t), "text in quotes"),
                "is" => (text().map(|t| trust.is = t), "text in quotes"),
                "at" => (list().map(|l| trust.at = l), "a list of texts"),
                "args" => (list().map(|l| trust.args = l), "a list of texts"),
                "env" => {
                    let env = inner.as_table().and_then(texts);
                    (
                        env.map(|e| trust.env = e.into_iter().collect()),
                        "a table of names and texts",
                    )
                }
                _ => {
                    let hint = keys::nearest(name, KEYS)
                        .map(|near| format!("did you mean `{near}`?"))
                        .unwrap_or_else(|| format!("it has {}", KEYS.join(", ")));
                    self.complain(at, format!("unknown key `{full}`"), Some(hint));
                    continue;
                }
            };
            if done.is_none() {
                self.wrong(at, &full, wanted, value);
            }
        }
        Some(trust)
    }
}
