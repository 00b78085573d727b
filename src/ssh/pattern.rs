//! OpenSSH's patterns: `*`, `?`, comma or space separated lists with `!` negation.

/// Whether `text` matches one pattern of `*` and `?`. Linear in practice: one backtrack point.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (p, t) = (pattern.as_bytes(), text.as_bytes());
    let (mut pi, mut ti) = (0usize, 0usize);
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (p.get(pi), t.get(ti)) {
            (Some(b'*'), _) => {
                star = Some((pi, ti));
                pi += 1;
            }
            (Some(b'?'), Some(_)) => {
                pi += 1;
                ti += 1;
            }
            (Some(a), Some(b)) if a == b => {
                pi += 1;
                ti += 1;
            }
            (None, None) => return true,
            _ => match star {
                Some((sp, st)) if st < t.len() => {
                    star = Some((sp, st + 1));
                    pi = sp + 1;
                    ti = st + 1;
                }
                _ => return false,
            },
        }
    }
}

/// Whether a list of patterns takes `text`: a negated match refuses whatever else matches.
pub fn list_matches<'a>(patterns: impl IntoIterator<Item = &'a str>, text: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(not) if matches(not, text) => return false,
            Some(_) => {}
            None => found |= matches(pattern, text),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        assert!(matches("*.example.org", "a.b.example.org"));
        assert!(!matches("*.example.org", "example.org"));
        assert!(matches("10.0.?.*", "10.0.1.22"));
        assert!(!matches("10.0.?.*", "10.0.11.22"));
        assert!(matches("*", ""));
        assert!(matches("a*b*c", "axxbyybzzc"));
        assert!(!matches("a*b*c", "axxbyybzz"));
        assert!(matches("[::1]:22*", "[::1]:2222"));
    }

    #[test]
    fn a_negation_refuses_whatever_else_matches() {
        assert!(list_matches(["*.org", "!bad.org"], "good.org"));
        assert!(!list_matches(["*.org", "!bad.org"], "bad.org"));
        assert!(!list_matches(["!bad.org"], "good.org"));
    }
}
