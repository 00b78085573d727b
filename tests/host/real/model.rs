//! tests/agents/standin.py as a process of a test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::common::SOON;

/// A model that does what a script says; it ends with this.
pub struct Model {
    child: Child,
    pub port: u16,
}

impl Model {
    /// `script` as standin.py describes it; the file is written to `dir`.
    pub fn start(dir: &Path, script: &Value) -> Self {
        let file = dir.join("script.json");
        std::fs::write(&file, script.to_string()).expect("the script");
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/agents/standin.py");
        let mut child = Command::new("python3")
            .arg(program)
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut line).expect("its port");
        let port = line.trim().parse().expect("a port");
        Self { child, port }
    }

    /// Waits until an answer waits at this gate: the agent has asked for it, and is at work. False where it
    /// takes too long.
    pub fn await_gate(&self, gate: &str) -> bool {
        self.http("GET", &format!("/await/{gate}"))
    }

    /// Lets the answer go.
    pub fn release(&self, gate: &str) {
        let path = format!("/release/{gate}");
        assert!(
            self.http("POST", &path),
            "the stand-in does not answer {path}"
        );
    }

    /// False where no answer comes.
    fn http(&self, method: &str, path: &str) -> bool {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the stand-in");
        stream.set_read_timeout(Some(2 * SOON)).expect("a timeout");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).expect("asked");
        let mut answer = Vec::new();
        let mut byte = [0; 256];
        while !answer.windows(4).any(|w| w == b"\r\n\r\n") {
            let Ok(n) = stream.read(&mut byte) else {
                return false;
            };
            assert!(n > 0, "the stand-in has gone at {path}");
            answer.extend_from_slice(&byte[..n]);
        }
        true
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
