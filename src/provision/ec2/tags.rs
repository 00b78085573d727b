//! The registry of sessions is the tags on what was made for them. Here they are written and read; whatever
//! somebody has done to a tag by hand, reading it gives what can still be understood.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::model::{Millis, SessionId, SessionSpec};

pub const SESSION: &str = "remote:session";
pub const NAME: &str = "remote:name";
pub const TASK: &str = "remote:task";
pub const OWNER: &str = "remote:owner";
pub const DEADLINE: &str = "remote:deadline";
pub const HOST_KEY: &str = "remote:hostkey";
pub const LOGIN: &str = "remote:login";
pub const PRICE: &str = "remote:price";
pub const DEVICE: &str = "remote:device";
pub const LAUNCHED: &str = "remote:launched";
/// A workspace's name: on its volume and its snapshots, which have no [`SESSION`], so that nothing that is done to a
/// session's own things is ever done to them; and on the instance that has it.
pub const WORKSPACE: &str = "remote:workspace";
/// On an instance: the volume that was there before it, and stays whatever becomes of it.
pub const VOLUME: &str = "remote:volume";
/// The session that has a workspace, or had it last.
pub const HOLDER: &str = "remote:holder";
/// When a session last had it.
pub const USED_AT: &str = "remote:used-at";
/// Bytes in use, as last seen.
pub const USED: &str = "remote:used";
/// `yes` on a volume that was made blank and has no file system yet.
pub const BLANK: &str = "remote:blank";
/// How many automatic snapshots of a workspace are kept.
pub const KEEP: &str = "remote:keep";
/// `yes` on a snapshot that was made by itself.
pub const AUTOMATIC: &str = "remote:automatic";
/// What a person wrote of a snapshot.
pub const NOTE: &str = "remote:note";
/// What the call that made a volume or a snapshot was known by: how it is found again where its answer was lost.
pub const MADE_BY: &str = "remote:made-by";
/// On the security group.
pub const GROUP: &str = "remote:group";

/// The longest value that EC2 takes is 256 characters; Unicode is counted differently by its parts.
const LONGEST: usize = 255;

/// The server's host key, as far as the tags tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostKey {
    /// From user-data, which any process there can read: good for the first connection alone.
    Once(String),
    /// Made by the machine itself.
    Own(String),
    Unknown,
}

impl HostKey {
    /// One OpenSSH public key line, where one is known.
    pub fn line(&self) -> Option<&str> {
        match self {
            Self::Once(line) | Self::Own(line) => Some(line),
            Self::Unknown => None,
        }
    }

    /// The tag's value.
    pub fn to_tag(&self) -> String {
        match self {
            Self::Once(line) => format!("once {line}"),
            Self::Own(line) => line.clone(),
            Self::Unknown => String::new(),
        }
    }

    fn from_tag(value: &str) -> Self {
        match value.strip_prefix("once ") {
            Some(line) if is_key(line) => Self::Once(line.to_owned()),
            None if is_key(value) => Self::Own(value.to_owned()),
            _ => Self::Unknown,
        }
    }
}

fn is_key(line: &str) -> bool {
    russh::keys::PublicKey::from_openssh(line).is_ok()
}

/// What the tags of a session's instance and volumes say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub session: SessionId,
    pub name: Option<String>,
    pub task: String,
    /// The owner's ARN.
    pub owner: String,
    pub deadline: Option<Millis>,
    pub host_key: HostKey,
    /// The user to log in as.
    pub login: String,
    pub microusd_per_hour: u64,
    /// The name of the device that made it.
    pub device: String,
    pub launched: Option<Millis>,
    /// The workspace that is its work volume.
    pub workspace: Option<String>,
    /// The work volume that was there before its machine: whoever takes the machine back leaves it alone.
    pub volume: Option<String>,
}

impl Facts {
    /// What is known of a session before its machine is there.
    pub fn of(spec: &SessionSpec, owner: &str, device: &str) -> Self {
        Self {
            session: spec.id.clone(),
            name: spec.name.clone(),
            task: spec.task.clone(),
            owner: owner.to_owned(),
            deadline: spec.ends.deadline,
            host_key: HostKey::Unknown,
            login: String::new(),
            microusd_per_hour: spec.price_microusd_per_hour,
            device: device.to_owned(),
            launched: Some(spec.created),
            workspace: None,
            volume: None,
        }
    }

    /// Key and value of each tag; what is not known has none.
    pub fn to_tags(&self) -> Vec<(&'static str, String)> {
        let time = |at: Option<Millis>| at.map(rfc3339).unwrap_or_default();
        let label = self.name.as_deref().unwrap_or(self.session.as_str());
        [
            ("Name", clean(&format!("remote {label}"))),
            (SESSION, self.session.to_string()),
            (NAME, clean(self.name.as_deref().unwrap_or_default())),
            (TASK, clean(&self.task)),
            (OWNER, clean(&self.owner)),
            (DEADLINE, time(self.deadline)),
            (HOST_KEY, self.host_key.to_tag()),
            (LOGIN, clean(&self.login)),
            (PRICE, self.microusd_per_hour.to_string()),
            (DEVICE, clean(&self.device)),
            (LAUNCHED, time(self.launched)),
            (
                WORKSPACE,
                clean(self.workspace.as_deref().unwrap_or_default()),
            ),
            (VOLUME, clean(self.volume.as_deref().unwrap_or_default())),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .collect()
    }

    /// `None` where no session is named. A damaged value reads as if it were not there.
    pub fn from_tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Self> {
        let tags: BTreeMap<&str, &str> = tags.into_iter().collect();
        let text = |key: &str| (*tags.get(key).unwrap_or(&"")).to_owned();
        let time = |key: &str| tags.get(key).and_then(|v| from_rfc3339(v));
        Some(Self {
            session: tags.get(SESSION)?.parse().ok()?,
            name: Some(text(NAME)).filter(|n| !n.is_empty()),
            task: text(TASK),
            owner: text(OWNER),
            deadline: time(DEADLINE),
            host_key: HostKey::from_tag(tags.get(HOST_KEY).unwrap_or(&"")),
            login: text(LOGIN),
            microusd_per_hour: text(PRICE).parse().unwrap_or(0),
            device: text(DEVICE),
            launched: time(LAUNCHED),
            workspace: Some(text(WORKSPACE)).filter(|n| !n.is_empty()),
            volume: Some(text(VOLUME)).filter(|n| !n.is_empty()),
        })
    }
}

/// `2026-11-03T10:00:00Z`
pub fn rfc3339(at: Millis) -> String {
    // What humantime can write: up to the year 9999.
    let at = at.min(253_402_300_799_000);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_millis(at)).to_string()
}

/// The reverse of [`rfc3339`]; `None` for anything else.
pub fn from_rfc3339(text: &str) -> Option<Millis> {
    let at: SystemTime = humantime::parse_rfc3339(text.trim()).ok()?;
    let since = at.duration_since(UNIX_EPOCH).ok()?;
    u64::try_from(since.as_millis()).ok()
}

/// Text as a tag's value: one line, no control characters, not too long.
pub fn clean(text: &str) -> String {
    let mut line = String::new();
    let mut length = 0;
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|w| !w.is_empty()) {
        let gap = usize::from(!line.is_empty());
        // Counted as UTF-16, which is never less than characters.
        let units = word.encode_utf16().count();
        if length + gap + units > LONGEST {
            let room = LONGEST.saturating_sub(length + gap + 1);
            if room > 0 {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(cut(word, room));
                line.push('…');
            }
            break;
        }
        if gap == 1 {
            line.push(' ');
        }
        line.push_str(word);
        length += gap + units;
    }
    line
}

/// As much of `word` as fits into `room` UTF-16 units.
fn cut(word: &str, room: usize) -> &str {
    let mut used = 0;
    let end = word.char_indices().find(|(_, c)| {
        used += c.len_utf16();
        used > room
    });
    word.get(..end.map_or(word.len(), |(at, _)| at))
        .unwrap_or(word)
}

/// Who owns what a caller makes: their ARN; of a role's sessions only what a person gave as its name, as
/// tools make up another one each time.
pub fn owner(arn: &str) -> String {
    let Some((role, session)) = arn
        .rsplit_once('/')
        .filter(|_| arn.contains(":assumed-role/"))
    else {
        return arn.to_owned();
    };
    let made_up = [
        "botocore-session-",
        "aws-go-sdk-",
        "aws-sdk-",
        "AWSCLI-Session",
        "assume-role-",
    ]
    .iter()
    .any(|p| session.starts_with(p))
        || session.starts_with("i-")
        || session.bytes().all(|b| b.is_ascii_digit());
    if made_up { role } else { arn }.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &str =
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn facts() -> Facts {
        Facts {
            session: "session-abc234".parse().expect("a name"),
            name: Some("auth".to_owned()),
            task: "add a rate limit".to_owned(),
            owner: "arn:aws:iam::123456789012:user/me".to_owned(),
            deadline: Some(1_762_164_000_000),
            host_key: HostKey::Once(KEY.to_owned()),
            login: "ubuntu".to_owned(),
            microusd_per_hour: 96_000,
            device: "laptop".to_owned(),
            launched: Some(1_762_160_400_000),
            workspace: Some("alpha".to_owned()),
            volume: Some("vol-0abc".to_owned()),
        }
    }

    fn again(facts: &Facts) -> Option<Facts> {
        let tags = facts.to_tags();
        Facts::from_tags(tags.iter().map(|(k, v)| (*k, v.as_str())))
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(again(&facts()), Some(facts()));
        let mut bare = facts();
        bare.name = None;
        (bare.workspace, bare.volume) = (None, None);
        bare.deadline = None;
        bare.host_key = HostKey::Own(KEY.to_owned());
        assert_eq!(again(&bare), Some(bare));
        let tags = facts().to_tags();
        let deadline = tags.iter().find(|(k, _)| *k == DEADLINE).expect("there");
        assert_eq!(deadline.1, "2025-11-03T10:00:00Z");
    }

    #[test]
    fn an_owner_is_the_same_on_each_day() {
        let role = "arn:aws:sts::123456789012:assumed-role/Dev";
        assert_eq!(
            owner(&format!("{role}/me@example.com")),
            format!("{role}/me@example.com")
        );
        for made_up in ["botocore-session-1762164000", "1762164000", "i-0abc"] {
            assert_eq!(owner(&format!("{role}/{made_up}")), role, "{made_up}");
        }
        let user = "arn:aws:iam::123456789012:user/12345";
        assert_eq!(owner(user), user);
    }

    proptest! {
        #[test]
        fn any_task_becomes_a_tag(task in "(?s).{0,600}") {
            let tag = clean(&task);
            prop_assert!(tag.encode_utf16().count() <= LONGEST);
            prop_assert!(!tag.chars().any(char::is_control));
            prop_assert_eq!(clean(&tag), tag);
        }

        #[test]
        fn damaged_tags_never_panic(values in proptest::collection::vec("(?s).{0,80}", 10)) {
            let keys = [NAME, TASK, OWNER, DEADLINE, HOST_KEY, LOGIN, PRICE, DEVICE, LAUNCHED, SESSION];
            let tags = keys.into_iter().zip(values.iter().map(String::as_str));
            let _ = Facts::from_tags(tags.clone());
            let named = tags.take(9).chain([(SESSION, "session-abc234")]);
            let read = Facts::from_tags(named);
            prop_assert!(read.is_some_and(|f| f.session.as_str() == "session-abc234"));
        }

        #[test]
        fn times_survive(seconds in 0u64..253_402_300_799) {
            prop_assert_eq!(from_rfc3339(&rfc3339(seconds * 1000)), Some(seconds * 1000));
        }
    }
}
