//! Reads `[git.credentials]`.

use toml::Spanned;
use toml::de::DeValue;

use super::{Reader, texts};
use crate::config::settings::Config;

impl Reader<'_> {
    /// Hosts and the secrets that git is given for them; over those of a lower layer.
    pub(super) fn git_credentials(&mut self, config: &mut Config, value: &Spanned<DeValue<'_>>) {
        let at = value.span().start;
        let Some(pairs) = value.get_ref().as_table().and_then(texts) else {
            self.wrong(
                at,
                "git.credentials",
                "a table of hosts and secrets' names",
                value,
            );
            return;
        };
        for (host, name) in pairs {
            let odd = |c: char| c.is_whitespace() || matches!(c, '/' | '=' | '@');
            if host.is_empty() || host.contains(odd) {
                let message = format!("`git.credentials` has no host: \"{host}\"");
                let hint = "a host is named as in an https address: \"git.example.com\"";
                self.complain(at, message, Some(hint.to_owned()));
            } else {
                config.git.insert(host.to_ascii_lowercase(), name);
            }
        }
    }
}
