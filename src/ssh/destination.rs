//! Destinations as people write them: `host`, `user@host`, `host:port`, `[v6]:port`, `ssh://…`.

use super::error::SshError;

/// A destination as typed, taken apart.
pub struct Typed {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
}

impl Typed {
    pub fn parse(destination: &str) -> Result<Self, SshError> {
        let bad = || {
            SshError::config(format!("{destination:?} is not a host to log in to"))
                .hint("write it as `user@host`, `host:port` or `ssh://user@host:port`")
        };
        let rest = destination.strip_prefix("ssh://").unwrap_or(destination);
        let rest = rest.trim_end_matches('/');
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user.to_owned()), place),
            None => (None, rest),
        };
        let (host, port) = if let Some(inner) = place.strip_prefix('[') {
            let (host, after) = inner.split_once(']').ok_or_else(bad)?;
            match after.strip_prefix(':') {
                Some(port) => (host, Some(port)),
                None if after.is_empty() => (host, None),
                None => return Err(bad()),
            }
        } else {
            match place.split_once(':') {
                // More than one colon: a bare IPv6 address.
                Some((_, port)) if port.contains(':') => (place, None),
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            }
        };
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|p| *p > 0).ok_or_else(bad)?),
            None => None,
        };
        let unsound =
            |s: &str| s.is_empty() || s.starts_with('-') || s.contains(char::is_whitespace);
        if unsound(host) || user.as_deref().is_some_and(unsound) {
            return Err(bad());
        }
        Ok(Self {
            user,
            host: host.to_owned(),
            port,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(s: &str) -> Option<(Option<String>, String, Option<u16>)> {
        Typed::parse(s).ok().map(|t| (t.user, t.host, t.port))
    }

    #[test]
    fn destinations_as_people_write_them() {
        let some = |u: Option<&str>, h: &str, p| Some((u.map(str::to_owned), h.to_owned(), p));
        assert_eq!(typed("box"), some(None, "box", None));
        assert_eq!(typed("me@box:2222"), some(Some("me"), "box", Some(2222)));
        assert_eq!(typed("a@b@box"), some(Some("a@b"), "box", None));
        assert_eq!(typed("ssh://me@box:22/"), some(Some("me"), "box", Some(22)));
        assert_eq!(typed("[::1]:2222"), some(None, "::1", Some(2222)));
        assert_eq!(typed("me@::1"), some(Some("me"), "::1", None));
        for bad in [
            "",
            "@box",
            "box:0",
            "box:x",
            "-oProxyCommand=x",
            "me@-box",
            "a b",
            "[::1",
        ] {
            assert_eq!(typed(bad), None, "{bad}");
        }
    }
}
