//! A lab for one test: started with it, controlled by it, and gone with it, with every machine that it ran.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use aws_sdk_ec2::config::{BehaviorVersion, Credentials, Region};
use serde_json::{Value, json};

use crate::common::env::TestEnv;
use crate::common::process::{kill, wait_child};

/// What is behind an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machines {
    /// A virtual machine: seconds to half a minute to boot, and a kernel of its own. One lab of them at a time.
    Vm,
    /// Namespaces with the image's systemd, cloud-init and sshd: two seconds.
    Box,
    /// Nothing but states.
    None,
}

/// A running lab.
pub struct Lab {
    child: Child,
    // Held open: what the lab prints must not kill it.
    _stdout: BufReader<ChildStdout>,
    pub endpoint: String,
    pub machines: Machines,
    /// Where disks, logs and consoles are while it runs.
    pub state: PathBuf,
    log: tempfile::NamedTempFile,
    killed: bool,
    _alone: Option<MutexGuard<'static, ()>>,
}

/// The control API.
#[derive(Debug, Clone)]
pub struct Control {
    address: String,
}

/// A call that the lab has answered.
#[derive(Debug, Clone)]
pub struct Call {
    pub service: String,
    pub action: String,
    /// Form calls: flat, as sent (`Filter.1.Name`). JSON calls: the object.
    pub parameters: Value,
    /// The kind of fault that struck it.
    pub fault: Option<String>,
    /// Whether it has had its effect.
    pub done: bool,
}

pub const REGION: &str = "us-east-1";

/// VMs are heavy: one lab of them at a time, whatever the number of test threads.
static VMS: Mutex<()> = Mutex::new(());

impl Lab {
    /// # Panics
    /// Where `make setup` has not been run, or the lab does not start.
    pub fn start(machines: Machines) -> Self {
        Self::start_with(machines, &[])
    }

    /// With more of the lab's own arguments (`python -m ec2lab --help`).
    pub fn start_with(machines: Machines, more: &[&str]) -> Self {
        let alone =
            (machines == Machines::Vm).then(|| VMS.lock().unwrap_or_else(PoisonError::into_inner));
        let kind = match machines {
            Machines::Vm => "vm",
            Machines::Box => "box",
            Machines::None => "none",
        };
        let (python, image) = paths();
        let log = tempfile::NamedTempFile::new().expect("the lab's log");
        let mut command = match machines {
            Machines::None => Command::new(python),
            Machines::Vm | Machines::Box => as_root(python),
        };
        command
            .args(["-m", "ec2lab", "--check-model", "--machines", kind])
            .args(["--image".as_ref(), image.as_os_str()])
            .args(more)
            .current_dir(directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("the lab's log"));
        let mut child = command.spawn().expect("python");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("the lab's first line");
        let hello: Value = serde_json::from_str(&line).unwrap_or_else(|e| {
            let told = std::fs::read_to_string(log.path()).unwrap_or_default();
            panic!("the lab does not start: {e}\n{line}{told}")
        });
        Self {
            child,
            _stdout: stdout,
            machines,
            endpoint: hello["endpoint"].as_str().expect("endpoint").to_owned(),
            state: hello["state"].as_str().expect("state").into(),
            log,
            killed: false,
            _alone: alone,
        }
    }

    /// The control client.
    pub fn control(&self) -> Control {
        Control {
            address: self.endpoint.trim_start_matches("http://").to_owned(),
        }
    }

    /// What makes any program with an AWS SDK use this lab.
    pub fn variables(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_REGION", REGION),
            ("AWS_ACCESS_KEY_ID", "lab"),
            ("AWS_SECRET_ACCESS_KEY", "lab"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    /// A device of the lab's one account, that rents there.
    pub fn device(&self) -> TestEnv {
        let mut env = TestEnv::new();
        for (name, value) in self.variables() {
            if name == "AWS_ENDPOINT_URL" {
                env.set("REMOTE_EC2_ADDRESS_SERVICE", format!("{value}/lab/address"));
            }
            env.set(&name, value);
        }
        env.set("REMOTE_PROVIDER", "ec2");
        env.set("REMOTE_REGION", REGION);
        env.set("REMOTE_EC2_IMAGE", "debian-12");
        env
    }

    /// The real SDK's client for a region of this lab.
    pub fn ec2(&self, region: &str) -> aws_sdk_ec2::Client {
        let config = aws_sdk_ec2::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(&self.endpoint)
            .region(Region::new(region.to_owned()))
            .credentials_provider(Credentials::new("lab", "lab", None, None, "lab"))
            .build();
        aws_sdk_ec2::Client::from_conf(config)
    }

    /// Kills the lab without a word, as a crash would.
    pub fn die(mut self) {
        kill(self.child.id(), rustix::process::Signal::KILL);
        self.child.wait().expect("its end");
        self.killed = true;
        // What a crash leaves is the files.
        let removed = as_root("rm".as_ref()).arg("-rf").arg(&self.state).status();
        assert!(removed.is_ok_and(|s| s.success()));
    }

    /// What the lab and its machines have to say after a failure.
    fn report(&self) {
        let text = |path: &Path| std::fs::read(path).unwrap_or_default();
        let tail = |bytes: &[u8]| {
            let from = bytes.len().saturating_sub(4000);
            String::from_utf8_lossy(&bytes[from..]).into_owned()
        };
        eprintln!("the lab's log:\n{}", tail(&text(self.log.path())));
        let entries = std::fs::read_dir(&self.state).into_iter().flatten();
        for entry in entries.flatten().map(|e| e.path()) {
            for name in ["console.log", "box.log", "qemu.log"] {
                let told = text(&entry.join(name));
                if !told.is_empty() {
                    eprintln!("{}/{name}:\n{}", entry.display(), tail(&told));
                }
            }
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.killed {
            return;
        }
        let complaints = self
            .control()
            .try_post("state", &json!({ "since": u32::MAX }));
        if std::thread::panicking() {
            self.report();
        }
        drop(self.child.stdin.take());
        if wait_child(&mut self.child, Duration::from_secs(20)).is_none() {
            kill(self.child.id(), rustix::process::Signal::KILL);
            let _ = self.child.wait();
            assert!(std::thread::panicking(), "the lab did not end by itself");
        }
        if !std::thread::panicking() {
            let complaints = complaints.expect("the lab's state")["complaints"].clone();
            assert_eq!(complaints, json!([]), "the lab complains");
        }
    }
}

impl Control {
    /// One verb of docs/LAB.md.
    ///
    /// # Panics
    /// When the lab refuses.
    pub fn post(&self, verb: &str, words: &Value) -> Value {
        self.try_post(verb, words)
            .unwrap_or_else(|e| panic!("/lab/{verb} {words}: {e}"))
    }

    fn try_post(&self, verb: &str, words: &Value) -> std::io::Result<Value> {
        let (status, body) = self.http(&format!("/lab/{verb}"), "", &words.to_string())?;
        let value = serde_json::from_str(&body).unwrap_or(Value::Null);
        if status == 200 {
            return Ok(value);
        }
        Err(std::io::Error::other(format!("{status} {body}")))
    }

    /// A plain POST: status and body.
    pub fn http(&self, path: &str, headers: &str, body: &str) -> std::io::Result<(u16, String)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "POST {path} HTTP/1.0\r\nHost: lab\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok());
        Ok((status.unwrap_or(0), body.to_owned()))
    }

    /// A call of the AWS JSON protocol, for services whose SDK is not at hand.
    pub fn json_call(&self, service: &str, target: &str, body: &Value) -> (u16, String) {
        let headers = format!(
            "Authorization: AWS4-HMAC-SHA256 Credential=lab/20260101/{REGION}/{service}/aws4_request, \
             SignedHeaders=host, Signature=00\r\nX-Amz-Target: {target}\r\n\
             Content-Type: application/x-amz-json-1.1\r\n"
        );
        self.http("/", &headers, &body.to_string())
            .expect("an answer")
    }

    /// Makes something go wrong: `{action, kind, nth, count, match, delay, code, message, status}`.
    pub fn fault(&self, words: &Value) {
        self.post("fault", words);
    }

    /// What was called, in order.
    pub fn calls(&self) -> Vec<Call> {
        let state = self.post("state", &json!({}));
        let calls = state["calls"].as_array().cloned().unwrap_or_default();
        let text = |v: &Value| v.as_str().map(str::to_owned);
        calls
            .into_iter()
            .map(|c| Call {
                service: text(&c["service"]).unwrap_or_default(),
                action: text(&c["action"]).unwrap_or_default(),
                parameters: c["parameters"].clone(),
                fault: text(&c["fault"]),
                done: c["status"].is_u64(),
            })
            .collect()
    }

    /// What the lab knows of an instance's machine.
    pub fn machine(&self, instance: &str) -> Value {
        self.post("state", &json!({}))["machines"][instance].clone()
    }

    /// A spot notice now, the end so many seconds later.
    pub fn interrupt(&self, instance: &str, seconds: u32) {
        self.post(
            "interrupt",
            &json!({ "instance": instance, "seconds": seconds }),
        );
    }

    /// `power`, `shutdown`, `freeze`, `thaw`, `unplug` or `plug`.
    pub fn kill(&self, instance: &str, how: &str) {
        self.post("kill", &json!({ "instance": instance, "how": how }));
    }
}

/// Where the lab's program is.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab")
}

/// The lab's Python and its image, as scripts/lab-setup tells.
pub fn paths() -> &'static (PathBuf, PathBuf) {
    static PATHS: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    PATHS.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/lab-setup");
        let told = Command::new("bash")
            .arg("-c")
            .arg(r#"eval "$("$0" --paths)"; printf '%s\n%s\n' "$python" "$image""#)
            .arg(&script)
            .output()
            .expect("bash");
        let told = String::from_utf8(told.stdout).expect("paths");
        let (python, image) = told.trim().split_once('\n').expect("two lines");
        let (python, image) = (PathBuf::from(python), PathBuf::from(image));
        assert!(
            python.exists() && image.join("done").exists(),
            "the test lab is not set up: run `make setup`"
        );
        (python, image)
    })
}

/// Namespaces, loop devices and port 22 are root's.
pub fn as_root(program: &Path) -> Command {
    if rustix::process::getuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("-n").arg(program);
    command
}
