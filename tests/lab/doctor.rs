//! `remote doctor` where something real stands in the way: each obstacle is there, and is called by its name.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use remote_compute::provision::Compute;
use serde_json::{Value, json};

use crate::common::env::{TestEnv, user};
use crate::common::sshd::{Sshd, SshdOptions, generate_key};
use crate::common::terminal::size;
use crate::ec2_world::{World, launch, wish};
use crate::person::json_of;

/// A session whose machine is a state of the lab, and whose place on this device is what the test makes of it.
pub struct Case {
    world: World,
    pub env: TestEnv,
    pub session: String,
    /// Where AWS says that the machine is.
    address: String,
}

impl Case {
    pub async fn new() -> Self {
        let world = World::new().await;
        let (ec2, launch) = (world.ec2(), launch(wish()));
        ec2.launch(&launch, &|_| {}).await.expect("a host");
        let session = launch.spec.id.to_string();
        let machine = ec2.describe(&launch.spec.id).await.expect("a machine");
        let login = machine.rented.and_then(|r| r.login).expect("its login");
        let env = world.lab.device();
        // The tags are all that this device knows.
        env.ok(&["status"]);
        Self {
            world,
            env,
            session,
            address: login.address,
        }
    }

    /// From now on the machine's sshd is where `at` is, as far as this device knows.
    pub fn place(&self, at: SocketAddr, more: &[(&str, String)]) {
        let file = format!(".local/state/remote/ledger/{}.json", self.session);
        let file = self.env.home().join(file);
        let text = std::fs::read(&file).expect("the entry");
        let mut entry: Value = serde_json::from_slice(&text).expect("JSON");
        let login = &mut entry["ssh"]["login"];
        (login["address"], login["port"]) = (json!(at.ip()), json!(at.port()));
        for (name, value) in more {
            login[*name] = json!(value);
        }
        std::fs::write(&file, entry.to_string()).expect("the entry");
    }

    /// A listener at the machine's address.
    fn listen(&self) -> TcpListener {
        let listener = TcpListener::bind((self.address.as_str(), 0)).expect("a port");
        self.place(listener.local_addr().expect("it"), &[]);
        listener
    }

    fn doctor(&self) -> (i32, Value) {
        let ran = self.env.run(&["doctor", &self.session, "--json"]);
        (ran.code, json_of(&ran))
    }

    /// The finding of this name, as a verdict and a text with its remedy.
    #[track_caller]
    pub fn finding(&self, name: &str) -> (String, String) {
        of(&self.doctor().1, name)
    }

    /// The finding of this name is of something that is missing and says all of `words`.
    #[track_caller]
    fn says(&self, name: &str, words: &[&str]) {
        let (verdict, text) = self.finding(name);
        assert_eq!(verdict, "missing", "{text}");
        for word in words {
            assert!(text.contains(word), "no {word:?} in {text:?}");
        }
    }
}

#[track_caller]
fn of(told: &Value, name: &str) -> (String, String) {
    let all = told["findings"].as_array().expect("findings");
    let found = all.iter().find(|f| f["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no {name} in {told:#}"));
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (
        text("verdict"),
        format!("{} -> {}", text("detail"), text("remedy")),
    )
}

/// Answers each connection's first words with what `answer` makes of them, until the test's end.
fn serve(listener: TcpListener, answer: impl Fn(&str) -> String + Send + 'static) {
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut asked = [0; 4096];
            let n = stream.read(&mut asked).unwrap_or(0);
            let said = answer(&String::from_utf8_lossy(&asked[..n]));
            let _ = stream.write_all(said.as_bytes());
        }
    });
}

fn http(status: &str, head: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{head}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A service on the network, and its URL.
fn service(answer: impl Fn(&str) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("it"));
    serve(listener, answer);
    url
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_between_here_and_port_22_is_called_by_its_name() {
    let case = Case::new().await;
    // A real sshd in the machine's place.
    let options = SshdOptions::default().line(&format!("ListenAddress {}", case.address));
    let sshd = Sshd::start(&options);
    let at: SocketAddr = format!("{}:{}", case.address, sshd.port)
        .parse()
        .expect("it");
    let key = sshd.client_key().display().to_string();
    case.place(
        at,
        &[
            ("host_key", sshd.host_key()),
            ("identity", key),
            ("user", user()),
        ],
    );
    let (code, told) = case.doctor();
    assert_eq!((code, &told["healthy"]), (0, &json!(true)), "{told:#}");
    assert!(
        of(&told, "port 22").1.contains("SSH-2.0-OpenSSH"),
        "{told:#}"
    );
    assert!(
        of(&told, "port 22 rule")
            .1
            .contains("127.0.0.1/32 may knock"),
        "{told:#}"
    );
    assert_eq!(of(&told, "machine").0, "good");

    let stranger = case.env.home().join("other");
    generate_key(&stranger);
    case.place(at, &[("identity", stranger.display().to_string())]);
    case.says(
        "port 22",
        &["does not know this device's key", "Instance Connect"],
    );

    let other = std::fs::read_to_string(stranger.with_extension("pub")).expect("a key");
    case.place(at, &[("host_key", other.trim().to_owned())]);
    case.says(
        "host key",
        &[
            "another host key",
            "nothing is sent",
            "remote terminate session-",
        ],
    );
    drop(sshd);

    case.place(at, &[]);
    // It was launched just now: nothing is wrong yet.
    let (verdict, text) = case.finding("port 22");
    assert_eq!(verdict, "lacking", "{text}");
    assert!(text.contains("not up yet"), "{text}");

    let silent = case.listen();
    case.says("port 22", &["accepts and says nothing", "proxy"]);
    drop(silent);

    serve(case.listen(), |_| http("400 Bad Request", "", "<html>"));
    case.says(
        "port 22",
        &["no SSH server", "HTTP/1.1 400", "another network"],
    );

    serve(case.listen(), |_| String::new());
    case.says("port 22", &["accepts and hangs up"]);

    // A queue that is full: the kernel drops what comes, as a firewall does.
    let full = case.listen();
    rustix::net::listen(&full, 0).expect("a short queue");
    let at = full.local_addr().expect("it");
    let mut held = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&at, Duration::from_millis(200)) {
        held.push(stream);
    }
    case.says(
        "port 22",
        &[
            "is blocked on the way",
            "the rule lets this device in",
            "another network",
        ],
    );
    // The same silence, and the rule has another address.
    case.world
        .control
        .post("set", &json!({"address": "198.51.100.7"}));
    case.says(
        "port 22",
        &["no rule lets this device in", "`remote attach session-"],
    );
    case.says("port 22 rule", &["no rule lets 198.51.100.7 in"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_address_is_told_and_the_remedy_mends_it() {
    let case = Case::new().await;
    // Nothing listens where the machine is known to be: whoever wants in asks AWS for the way, which moves the rule.
    let mend = || {
        drop(case.listen());
        let mut terminal = case.env.terminal(&["attach", &case.session], size(80, 24));
        assert_ne!(terminal.wait_exit(), 0);
        terminal.text().join("\n")
    };
    for address in ["198.51.100.7", "2001:db8::7"] {
        case.world
            .control
            .post("set", &json!({ "address": address }));
        let told = mend();
        let (verdict, text) = case.finding("port 22 rule");
        assert_eq!(verdict, "good", "{text}: {told}");
        assert!(text.contains(address), "{text}");
    }
    case.world
        .control
        .post("set", &json!({"address": "2001:db8::8"}));
    case.says(
        "port 22 rule",
        &[
            "wrong address: the rule lets 2001:db8::7/128 in",
            "2001:db8::8",
            "`remote attach session-",
        ],
    );
    mend();
    let (verdict, text) = case.finding("port 22 rule");
    assert_eq!(verdict, "good", "{text}");
    assert!(text.contains("2001:db8::8/128"), "{text}");
    let rules = case
        .world
        .ec2()
        .rules(None)
        .await
        .expect("rules")
        .expect("a group");
    let ranges: Vec<&str> = rules.iter().map(|r| r.cidr.as_str()).collect();
    assert_eq!(
        ranges,
        ["127.0.0.1/32", "2001:db8::8/128"],
        "its own rules alone were moved"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_portal_a_liar_and_silence_in_place_of_the_address_service() {
    let mut case = Case::new().await;
    let mut with = |url: String| {
        case.env.set("REMOTE_EC2_ADDRESS_SERVICE", url);
        case.finding("address")
    };
    let (verdict, text) = with(service(|_| {
        http("200 OK", "", "<html>Welcome to the hotel")
    }));
    assert_eq!(verdict, "missing", "{text}");
    assert!(
        text.contains("captive portal") && text.contains("Welcome to the hotel"),
        "{text}"
    );
    let (verdict, text) = with(service(|_| {
        http("302 Found", "Location: http://portal.hotel/login\r\n", "")
    }));
    assert_eq!(verdict, "missing", "{text}");
    assert!(
        text.contains("open http://portal.hotel/login in a browser"),
        "{text}"
    );
    let (verdict, text) = with("http://127.0.0.1:1/".to_owned());
    assert_eq!(verdict, "missing", "{text}");
    assert!(text.contains("address_service"), "{text}");
    let url = service(|_| http("200 OK", "", "203.0.113.77\n"));
    let (verdict, text) = with(url);
    assert_eq!(verdict, "good", "{text}");
    case.says("port 22 rule", &["no rule lets 203.0.113.77 in"]);
    // The person reads the same.
    let told = case.env.run(&["doctor", &case.session]);
    assert_eq!(told.code, 1);
    assert!(told.stdout.contains("!! port 22 rule"), "{}", told.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_region_and_clock() {
    let world = World::new().await;
    let mut env = world.lab.device();
    let look = |env: &TestEnv| json_of(&env.run(&["doctor", "--json"]));
    let told = look(&env);
    assert_eq!(told["healthy"], true, "{told:#}");
    assert!(of(&told, "aws identity").1.contains("arn:aws"), "{told:#}");
    assert!(of(&told, "port 22 rule").1.contains("none yet"), "{told:#}");
    // Looking makes nothing.
    assert!(!env.home().join(".local/state/remote/device").exists());

    for (code, message, words) in [
        (
            "ExpiredToken",
            "The security token is expired",
            "aws sso login",
        ),
        (
            "SignatureDoesNotMatch",
            "Signature expired: 20260101T000000Z is now earlier than x",
            "clock is wrong",
        ),
    ] {
        let fault = json!({"action": "GetCallerIdentity", "kind": "before", "count": 0, "code": code,
            "message": message, "status": 403});
        world.control.fault(&fault);
        let (verdict, text) = of(&look(&env), "aws identity");
        assert_eq!(verdict, "missing", "{text}");
        assert!(text.contains(words), "{text}");
        world.control.post("clear", &json!({}));
    }

    let mut poor = world.lab.device();
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        poor.set(name, "");
    }
    let (verdict, text) = of(&look(&poor), "aws identity");
    assert_eq!(verdict, "missing", "{text}");
    assert!(
        text.contains("no AWS credentials") && text.contains("aws configure"),
        "{text}"
    );

    // A server whose clock is an hour ahead, and which judges by it.
    let url = service(|asked| {
        let date = "Date: Wed, 01 Jan 2020 00:00:00 GMT\r\n";
        if asked.starts_with("GET") {
            return http("200 OK", date, "healthy");
        }
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>SignatureDoesNotMatch</Code><Message>Signature \
            not yet current: it is later</Message></Error></ErrorResponse>";
        http(
            "403 Forbidden",
            &format!("{date}Content-Type: text/xml\r\n"),
            error,
        )
    });
    env.set("AWS_ENDPOINT_URL", url);
    let told = look(&env);
    let (verdict, text) = of(&told, "clock");
    assert_eq!(verdict, "missing", "{text}");
    assert!(
        text.contains("ahead of AWS's") && text.contains("timedatectl"),
        "{text}"
    );
    assert!(
        of(&told, "aws identity")
            .1
            .contains("SignatureDoesNotMatch"),
        "{told:#}"
    );

    // AWS's own name for such a region leads nowhere.
    env.set("AWS_ENDPOINT_URL", "");
    env.set("REMOTE_REGION", "eu-wst-1");
    let (verdict, text) = of(&look(&env), "aws region");
    assert_eq!(verdict, "missing", "{text}");
    assert!(
        text.contains("no AWS region `eu-wst-1`") && text.contains("--region eu-west-1"),
        "{text}"
    );
}
