//! Several clients of one device see the same news: whoever makes its file first tells it.

use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::config::Paths;
use crate::model::{News, SessionId};

/// By then nobody sees the news as new any more.
const OLD: Duration = Duration::from_secs(24 * 3600);

/// The directory of files.
#[derive(Debug, Clone)]
pub struct Claims(PathBuf);

impl Claims {
    /// Removes those that nobody needs any more.
    pub fn new(paths: &Paths) -> Self {
        let dir = paths.state.join("notices");
        let old = SystemTime::now().checked_sub(OLD);
        for file in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let made = file.metadata().and_then(|m| m.modified()).ok();
            if made < old {
                let _ = fs::remove_file(file.path());
            }
        }
        Self(dir)
    }

    /// Whether this client is the one to tell `news` by the rule of that place. Where nothing can be written it is:
    /// twice is better than never.
    pub fn take(&self, session: &SessionId, news: &News, rule: usize) -> bool {
        let name = format!("{session}.{}.{}.{rule}", news.number, news.at);
        let make = || {
            fs::create_dir_all(&self.0)?;
            let file = self.0.join(name);
            OpenOptions::new().write(true).create_new(true).open(file)
        };
        !matches!(make(), Err(e) if e.kind() == ErrorKind::AlreadyExists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::NewsKind;

    #[test]
    fn one_of_several_tells_and_old_claims_go() -> crate::error::Result<()> {
        let home = tempfile::tempdir()?;
        let paths = Paths::new(|v| (v == "HOME").then(|| home.path().into()))?;
        let (one, two) = (Claims::new(&paths), Claims::new(&paths));
        let id: SessionId = "session-abc234".parse().expect("a name");
        let mut news = News {
            number: 3,
            event: NewsKind::Done,
            agent: Some(1),
            state: None,
            message: None,
            since: 1,
            at: 2,
            passed: false,
            total_microusd: None,
        };
        assert!(one.take(&id, &news, 0));
        assert!(!two.take(&id, &news, 0) && !one.take(&id, &news, 0));
        assert!(two.take(&id, &news, 1), "another rule");
        news.at = 9;
        assert!(two.take(&id, &news, 0), "another host's third");
        let dir = paths.state.join("notices");
        for file in fs::read_dir(&dir)?.flatten() {
            let file = OpenOptions::new().write(true).open(file.path())?;
            file.set_modified(SystemTime::now() - 2 * OLD)?;
        }
        let again = Claims::new(&paths);
        assert_eq!(fs::read_dir(&dir)?.count(), 0);
        assert!(again.take(&id, &news, 0));
        Ok(())
    }
}
