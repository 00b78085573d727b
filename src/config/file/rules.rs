//! Reads `[[auto.rules]]`.

use toml::Spanned;
use toml::de::DeValue;

use super::Reader;
use crate::config::rules::AutoRule;
use crate::config::settings::Config;

impl Reader<'_> {
    /// The file's rules come before those of a lower layer.
    pub(super) fn rules(&mut self, config: &mut Config, value: &Spanned<DeValue<'_>>) {
        let Some(array) = value.get_ref().as_array() else {
            let at = value.span().start;
            self.wrong(at, "auto.rules", "tables `[[auto.rules]]`", value);
            return;
        };
        let mut rules: Vec<_> = array.iter().filter_map(|one| self.rule(one)).collect();
        rules.append(&mut config.rules);
        config.rules = rules;
    }

    fn rule(&mut self, value: &Spanned<DeValue<'_>>) -> Option<AutoRule> {
        let at = value.span().start;
        let Some(table) = value.get_ref().as_table() else {
            self.wrong(at, "auto.rules", "tables `[[auto.rules]]`", value);
            return None;
        };
        let (mut pattern, mut instance) = (None, None);
        for (key, value) in table {
            let field = match key.get_ref().as_ref() {
                "match" => &mut pattern,
                "instance" => &mut instance,
                other => {
                    let message = format!("unknown key `auto.rules.{other}`");
                    let hint = "a rule has match and instance".to_owned();
                    self.complain(key.span().start, message, Some(hint));
                    return None;
                }
            };
            match value.get_ref().as_str() {
                Some(text) => *field = Some(text.to_owned()),
                None => {
                    let path = format!("auto.rules.{}", key.get_ref());
                    self.wrong(key.span().start, &path, "text in quotes", value);
                    return None;
                }
            }
        }
        let (Some(pattern), Some(instance)) = (pattern, instance) else {
            let hint = "write `match = \"integration suite\"` and `instance = \"m6i.4xlarge\"`";
            let message = "a rule of `auto.rules` needs match and instance".to_owned();
            self.complain(at, message, Some(hint.to_owned()));
            return None;
        };
        match AutoRule::new(&pattern, &instance, self.origin(at)) {
            Ok(rule) => Some(rule),
            Err(why) => {
                self.complain(at, format!("`auto.rules.match` {why}"), None);
                None
            }
        }
    }
}
