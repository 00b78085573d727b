//! As much of the SSH agent protocol (draft-ietf-sshm-ssh-agent) as deciding about a message takes. All that is read
//! here is a stranger's.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest, Sha256};

/// SSH_AGENT_FAILURE.
pub const FAILURE: u8 = 5;
/// SSH_AGENTC_REQUEST_IDENTITIES.
pub const LIST: u8 = 11;
const IDENTITIES: u8 = 12;
const SIGN: u8 = 13;
/// SSH_AGENT_SIGN_RESPONSE.
pub const SIGNED: u8 = 14;
const EXTENSION: u8 = 27;
/// SSH_MSG_USERAUTH_REQUEST, with which what is signed for a login goes on.
const USERAUTH: u8 = 50;
/// What a comment or a name may take in a line for people.
const SHOWN: usize = 80;

/// What a program asks of the agent.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish<'a> {
    List,
    Sign {
        key: &'a [u8],
        data: &'a [u8],
    },
    /// Says which connection it is for: keys that are bound to destinations need it.
    Bind,
    /// To add or remove keys, to lock it, whatever else there is.
    Other,
}

impl<'a> Wish<'a> {
    pub fn of(message: &'a [u8]) -> Self {
        match message.split_first() {
            Some((&LIST, [])) => Self::List,
            Some((&SIGN, mut rest)) => match (string(&mut rest), string(&mut rest)) {
                (Some(key), Some(data)) if rest.len() == 4 => Self::Sign { key, data },
                _ => Self::Other,
            },
            Some((&EXTENSION, mut rest)) => match string(&mut rest) {
                Some(b"session-bind@openssh.com") => Self::Bind,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

fn string<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (found, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(found)
}

/// Text of others', for a line: no control characters, not long.
fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(SHOWN).collect()
}

/// What is signed, as far as its own words say.
pub fn purpose(data: &[u8]) -> String {
    if let Some(mut rest) = data.strip_prefix(b"SSHSIG") {
        let namespace = string(&mut rest).unwrap_or_default();
        return format!("a signature for {}", text(namespace));
    }
    let mut rest = data;
    let login = string(&mut rest).and_then(|_| match rest.split_first() {
        Some((&USERAUTH, mut rest)) => string(&mut rest),
        _ => None,
    });
    match login {
        Some(user) => format!("a login as {}", text(user)),
        None => "unknown data".to_owned(),
    }
}

/// A key's comment, from an agent's list.
pub fn comment(list: &[u8], key: &[u8]) -> Option<String> {
    let (&IDENTITIES, rest) = list.split_first()? else {
        return None;
    };
    let mut rest = rest.get(4..)?;
    loop {
        let (found, comment) = (string(&mut rest)?, string(&mut rest)?);
        if found == key {
            return Some(text(comment));
        }
    }
}

/// As `ssh-add -l` has it.
pub fn fingerprint(key: &[u8]) -> String {
    let hash = STANDARD_NO_PAD.encode(Sha256::digest(key));
    format!("SHA256:{hash}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(first: &[u8], strings: &[&[u8]], last: &[u8]) -> Vec<u8> {
        let mut all = first.to_vec();
        for s in strings {
            all.extend(u32::try_from(s.len()).expect("short").to_be_bytes());
            all.extend_from_slice(s);
        }
        all.extend_from_slice(last);
        all
    }

    #[test]
    fn only_lists_signatures_and_bindings_are_known() {
        let sign = joined(&[SIGN], &[b"key", b"data"], &[0; 4]);
        assert_eq!(Wish::of(&[LIST]), Wish::List);
        let (key, data) = (&b"key"[..], &b"data"[..]);
        assert_eq!(Wish::of(&sign), Wish::Sign { key, data });
        let bind = joined(&[EXTENSION], &[b"session-bind@openssh.com", b"x"], b"");
        assert_eq!(Wish::of(&bind), Wish::Bind);
        // Add, remove, remove all, lock, unlock, smart cards, constrained; and what is not whole.
        for kind in [9, 17, 18, 19, 20, 21, 22, 23, 25, 26, 28, 0, 255] {
            assert_eq!(Wish::of(&[kind]), Wish::Other, "{kind}");
        }
        let query = joined(&[EXTENSION], &[b"query"], b"");
        for other in [
            &query[..],
            &[],
            &[LIST, 0],
            &sign[..9],
            &[SIGN],
            &sign[..sign.len() - 1],
        ] {
            assert_eq!(Wish::of(other), Wish::Other, "{other:?}");
        }
    }

    #[test]
    fn what_is_signed_says_what_it_is_for() {
        let login = joined(&[], &[b"session", b""], b"");
        let login = joined(&login[..11], &[], &[USERAUTH]);
        let login = joined(&login, &[b"git\x1b[2J", b"ssh-connection"], b"");
        assert_eq!(purpose(&login), "a login as git[2J");
        let commit = joined(b"SSHSIG", &[b"git", b"", b"sha512"], b"");
        assert_eq!(purpose(&commit), "a signature for git");
        for odd in [&b""[..], b"SSH", b"\0\0\0\xff", b"\0\0\0\0\x33"] {
            assert_eq!(purpose(odd), "unknown data", "{odd:?}");
        }
    }

    #[test]
    fn a_comment_is_found_and_a_list_that_lies_has_none() {
        let list = joined(
            &[IDENTITIES, 0, 0, 0, 2],
            &[b"a", b"first", b"b", b"second"],
            b"",
        );
        assert_eq!(comment(&list, b"b").as_deref(), Some("second"));
        assert_eq!(comment(&list, b"c"), None);
        assert_eq!(comment(&list[..12], b"b"), None);
        assert_eq!(comment(&[FAILURE], b"b"), None);
    }
}
