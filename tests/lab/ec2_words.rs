//! Machines that are words, for labs without real ones: they have a host key, know devices or do not, and
//! answer over "SSH" what a real one would. Real machines are in `ec2_box`.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use remote_compute::provision::{
    BoxFuture, Endpoint, Login, PinnedLogin, Ran, Reach, ReachError, Remote,
};
use remote_compute::ssh::keys;
use tokio::io::{AsyncRead, AsyncReadExt};

/// All machines of a lab. Clones share them.
#[derive(Clone, Default)]
pub struct Words(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// By address.
    machines: BTreeMap<String, Machine>,
    commands: Vec<String>,
    broken: Option<&'static str>,
    strange: bool,
}

struct Machine {
    host_key: String,
    rotated: bool,
    /// `host launch` was given this.
    launched: Option<serde_json::Value>,
    enrolled: Vec<String>,
}

impl Words {
    /// From now on a command with `part` in it fails; `None` mends it.
    pub fn break_down(&self, part: Option<&'static str>) {
        self.0.lock().unwrap().broken = part;
    }

    /// Machines know only devices that were shown to them, until the next connection.
    pub fn be_strange(&self) {
        self.0.lock().unwrap().strange = true;
    }

    /// What the host at `address` was launched with.
    pub fn launched(&self, address: &str) -> Option<serde_json::Value> {
        let inner = self.0.lock().unwrap();
        inner.machines.get(address).and_then(|m| m.launched.clone())
    }

    pub fn enrolled(&self, address: &str) -> Vec<String> {
        let inner = self.0.lock().unwrap();
        inner
            .machines
            .get(address)
            .map_or_else(Vec::new, |m| m.enrolled.clone())
    }
}

impl Reach for Words {
    fn reach<'a>(
        &'a self,
        login: &'a PinnedLogin,
    ) -> BoxFuture<'a, Result<Arc<dyn Remote>, ReachError>> {
        Box::pin(async move {
            let mut inner = self.0.lock().unwrap();
            let machine = inner.machines.entry(login.address.clone());
            let machine = machine.or_insert_with(|| Machine {
                host_key: login.host_key.clone(),
                rotated: false,
                launched: None,
                enrolled: Vec::new(),
            });
            let refused = |message: &str, stranger| {
                Err(ReachError {
                    message: message.to_owned(),
                    wait: false,
                    stranger,
                })
            };
            if machine.host_key != login.host_key {
                return refused("another host key", false);
            }
            if std::mem::take(&mut inner.strange) {
                return refused("permission denied", true);
            }
            let talk = Talk {
                words: self.clone(),
                login: login.clone(),
            };
            Ok(Arc::new(talk) as Arc<dyn Remote>)
        })
    }
}

/// A connection to one.
struct Talk {
    words: Words,
    login: PinnedLogin,
}

impl Remote for Talk {
    fn run<'a>(
        &'a self,
        command: &'a str,
        mut stdin: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, io::Result<Ran>> {
        Box::pin(async move {
            let mut input = Vec::new();
            stdin.read_to_end(&mut input).await?;
            let (status, said) = self.answer(command, &input);
            Ok(Ran {
                status,
                stdout: said.clone().into_bytes(),
                stderr: said.into_bytes(),
            })
        })
    }

    fn destination(&self) -> &str {
        &self.login.address
    }
}

impl Talk {
    fn answer(&self, command: &str, input: &[u8]) -> (i32, String) {
        let mut inner = self.words.0.lock().unwrap();
        inner.commands.push(command.to_owned());
        if inner.broken.is_some_and(|part| command.contains(part)) {
            return (1, "it is broken".to_owned());
        }
        let Some(machine) = inner.machines.get_mut(&self.login.address) else {
            return (1, "there is no such machine".to_owned());
        };
        let asks = |part: &str| command.contains(part);
        if asks("remote-root rotate") {
            if !std::mem::replace(&mut machine.rotated, true) {
                machine.host_key = keys::public_line(&keys::generate_ed25519());
            }
            (0, format!("{} remote\n", machine.host_key))
        } else if asks("remote-root enrol") {
            machine
                .enrolled
                .push(String::from_utf8_lossy(input).into_owned());
            (0, String::new())
        } else if asks("test -e") {
            (i32::from(machine.launched.is_none()), String::new())
        } else if asks("remote-probe") {
            (
                0,
                "remote-probe\nLinux x86_64\ngzip\n/work/.remote/bin\n".to_owned(),
            )
        } else if asks("host launch") || asks("host start") {
            if asks("host launch") {
                assert!(
                    machine.rotated,
                    "nothing of value before the host key is its own"
                );
                machine.launched = serde_json::from_slice(input).ok();
            }
            let endpoint = Endpoint {
                login: Login::Ssh {
                    destination: String::new(),
                },
                dir: "/work/.remote/sessions/it".to_owned(),
                socket: "/work/.remote/sessions/it/host.sock".to_owned(),
                binary: "/work/.remote/bin/remote".to_owned(),
                rented: None,
            };
            (0, serde_json::to_string(&endpoint).unwrap())
        } else {
            (0, String::new())
        }
    }
}
