//! A user of this machine, from /etc/passwd. Read by ourselves: a static binary cannot ask the C library's
//! name service, and the users of a rented machine are made by its own user-data.

use std::path::PathBuf;

use crate::error::{Context, Error, Result};

const PASSWD: &str = "/etc/passwd";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub home: PathBuf,
    pub shell: String,
}

impl Account {
    /// The user of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn named(name: &str) -> Result<Self> {
        let text = std::fs::read(PASSWD).context(format!("{PASSWD} cannot be read"))?;
        Self::find(&String::from_utf8_lossy(&text), name).ok_or_else(|| {
            Error::user(format!("this machine has no user `{name}`"))
                .hint("cloud-init makes it: see /var/log/cloud-init.log for why it did not")
        })
    }

    /// The user of that number, where /etc/passwd has one.
    pub fn of(uid: u32) -> Option<Self> {
        let text = std::fs::read(PASSWD).ok()?;
        Self::all(&String::from_utf8_lossy(&text)).find(|a| a.uid == uid)
    }

    fn find(passwd: &str, name: &str) -> Option<Self> {
        Self::all(passwd).find(|a| a.name == name)
    }

    fn all(passwd: &str) -> impl Iterator<Item = Self> {
        passwd.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [found, _, uid, gid, _, home, shell] = fields.as_slice() else {
                return None;
            };
            Some(Self {
                name: (*found).to_owned(),
                uid: uid.parse().ok()?,
                gid: gid.parse().ok()?,
                home: home.into(),
                shell: if shell.is_empty() { "/bin/sh" } else { shell }.to_owned(),
            })
        })
    }

    /// What the user's programs are found on; what is in the home directory first, as a login has it. There are the
    /// places in which installers put what they are not given root for: it outlives a rented machine.
    pub fn path(&self) -> String {
        let home = self.home.display();
        format!(
            "{home}/.local/bin:{home}/.npm-global/bin:{home}/.cargo/bin:{home}/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_lines_are_passed_over() {
        let passwd =
            "me\nme:x:one:1::/h:/s\n# me:x\nme:x:7:8:Me, Myself:/home/me:\nme2:x:1:2::/:/bin/zsh";
        let me = Account::find(passwd, "me").expect("there");
        assert_eq!((me.uid, me.gid, me.shell.as_str()), (7, 8, "/bin/sh"));
        assert!(me.path().starts_with("/home/me/.local/bin:"));
        assert_eq!(
            Account::find(passwd, "me2").expect("there").shell,
            "/bin/zsh"
        );
        assert_eq!(Account::find(passwd, ""), None);
    }

    #[test]
    fn root_is_on_every_machine() {
        assert_eq!(Account::named("root").expect("root").uid, 0);
        let none = Account::named("no-such-user").expect_err("none");
        assert!(none.message.contains("no-such-user"));
    }
}
