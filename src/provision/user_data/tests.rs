//! No value can be read as anything but a value, and nothing is lost on the way.

use std::io::Read;

use proptest::prelude::*;

use super::*;

const TEMPLATE: &str = cloud_init!("user-data.yaml");
const PRIVATE: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
const PUBLIC: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPsMbbIHKRwPWQYHwLvHtGCkAUcyPdrDdXLrWR1wyXIr laptop";

fn with<T>(
    login: &str,
    keys: &[String],
    change: impl FnOnce(&mut UserData<'_>),
    f: impl FnOnce(&UserData<'_>) -> T,
) -> T {
    let session: SessionId = "session-abc234".parse().expect("a name");
    let mut data = UserData {
        session: &session,
        deadline: 1_800_000_000_999,
        login,
        authorized_keys: keys,
        host_key_private: PRIVATE,
        host_key_public: PUBLIC,
        handover_within: Duration::from_secs(600),
        sudo: true,
    };
    change(&mut data);
    f(&data)
}

/// The value behind `marker` as its reader will have it.
fn value_behind(text: &str, marker: &str) -> serde_json::Value {
    let (_, behind) = text.split_once(marker).expect("the marker");
    let json = unescape(behind);
    let mut values = serde_json::Deserializer::from_str(&json).into_iter();
    values.next().expect("a value").expect("readable")
}

/// YAML's long escapes as the characters they stand for; all other escapes are JSON's too.
fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let escaped = (c == '\\').then(|| chars.next()).flatten();
        match escaped {
            Some('U') => {
                let code: String = chars.by_ref().take(8).collect();
                let code = u32::from_str_radix(&code, 16).expect("eight digits");
                plain.push(char::from_u32(code).expect("a character"));
            }
            Some(other) => plain.extend([c, other]),
            None => plain.push(c),
        }
    }
    plain
}

#[test]
fn the_whole_fits_and_holds_its_files_unchanged() {
    let keys = [PUBLIC.to_owned()];
    let text = with("ubuntu", &keys, |_| {}, |d| text(d).expect("renders"));
    assert!(text.starts_with("#cloud-config\n"), "{text}");
    for (file, marker) in [
        (cloud_init!("boot.sh"), "  - [sh, -c, "),
        (
            cloud_init!("remote-root"),
            "boot, \"1800000000\", \"600\", ",
        ),
        (
            cloud_init!("remote-eic"),
            "/remote-eic, permissions: \"0755\", content: ",
        ),
    ] {
        assert_eq!(value_behind(&text, marker), file, "behind {marker}");
    }
    let users = value_behind(&text, "users: ");
    assert_eq!(users[1]["ssh_authorized_keys"][0], PUBLIC);
    assert_eq!(users[2]["sudo"], "ALL=(ALL) NOPASSWD: ALL");
    let machine = value_behind(&text, "machine.json, permissions: \"0644\", content: ");
    let machine: MachineFile =
        serde_json::from_str(machine.as_str().expect("text")).expect("a machine");
    assert_eq!(
        (machine.login.as_str(), machine.agent.as_str()),
        ("ubuntu", "agent")
    );
    let sshd = value_behind(&text, "00-remote.conf, permissions: \"0644\", content: ");
    let sshd = sshd.as_str().expect("text");
    assert!(
        sshd.contains("Match User ubuntu\n") && !sshd.contains('@'),
        "{sshd}"
    );

    let bytes = with("ubuntu", &keys, |_| {}, |d| render(d).expect("fits"));
    assert!(bytes.len() <= MAX_BYTES, "{}", bytes.len());
    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(bytes.as_slice())
        .read_to_string(&mut unpacked)
        .expect("gzip");
    assert_eq!(unpacked, text);
}

#[test]
fn agents_have_sudo_only_where_that_was_wished() {
    let keys = [PUBLIC.to_owned()];
    let text = with(
        "admin",
        &keys,
        |d| d.sudo = false,
        |d| text(d).expect("renders"),
    );
    assert!(value_behind(&text, "users: ")[2].get("sudo").is_none());
    assert!(text.contains("\\\"sudo\\\":false"), "machine.json");
}

#[test]
fn as_many_devices_as_fit_and_then_an_error() {
    let many: Vec<String> = (0..60).map(|n| format!("{PUBLIC}-{n}")).collect();
    with("ubuntu", &many, |_| {}, |d| render(d).expect("fits"));
    // Keys that cannot be compressed.
    let many: Vec<String> = (0..400_u32)
        .map(|n| {
            let digest = <sha2::Sha256 as sha2::Digest>::digest(n.to_le_bytes());
            let body: String = digest.iter().map(|b| format!("{b:02x}")).collect();
            format!("ssh-ed25519 {body} device")
        })
        .collect();
    let refused = with("ubuntu", &many, |_| {}, render).expect_err("too long");
    assert!(matches!(refused, UserDataError::TooLong(n) if n > MAX_BYTES));
}

#[test]
fn what_is_no_name_and_no_key_is_refused() {
    let keys = [PUBLIC.to_owned()];
    for login in [
        "", "root", "agent", "a b", "Ubuntu", "x\n", "-x", "a\"", "$(id)", "é", "../x", "a@b",
    ] {
        let refused = with(login, &keys, |_| {}, render);
        assert_eq!(refused, Err(UserDataError::Login(login.to_owned())));
    }
    for key in [
        "",
        "ssh-ed25519",
        "ssh-ed25519 AAAA\nssh-rsa BBBB",
        "command=\"id\" ssh-ed25519 AAAA x",
        "ssh-ed25519 AA:AA x",
        "ssh-ed25519  AAAA x",
        "ssh-ed25519 AAAA \u{7f}",
        "ssh-ed25519 AAAA \u{85}x",
    ] {
        let refused = with("ubuntu", &[key.to_owned()], |_| {}, render);
        assert_eq!(
            refused,
            Err(UserDataError::PublicKey(key.to_owned())),
            "{key:?}"
        );
    }
    assert_eq!(
        with("ubuntu", &[], |_| {}, render),
        Err(UserDataError::NoKey)
    );
    for private in [
        "",
        "x",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n: {\n-----END OPENSSH PRIVATE KEY-----",
    ] {
        let refused = with("ubuntu", &keys, |d| d.host_key_private = private, render);
        assert_eq!(refused, Err(UserDataError::HostKey));
    }
}

proptest! {
    /// Whatever a device is called: refused, or there as it is, and the document's shape unchanged.
    #[test]
    fn hostile_values_stay_values(name in any::<String>(), login in "[a-z_][a-z0-9_-]{0,31}") {
        prop_assume!(!["agent", "root"].contains(&login.as_str()));
        let key = format!("ssh-ed25519 AAAA {name}");
        let keys = [key.clone()];
        match with(&login, &keys, |_| {}, text) {
            Ok(text) => {
                prop_assert_eq!(text.lines().count(), TEMPLATE.lines().count());
                prop_assert!(text.chars().all(|c| c == '\n' || (' '..='~').contains(&c)));
                let users = value_behind(&text, "users: ");
                prop_assert_eq!(&users[1]["ssh_authorized_keys"][0], key.trim());
                prop_assert_eq!(&users[1]["name"], &login);
            }
            Err(refused) => prop_assert!(
                name.chars().any(char::is_control),
                "{}", refused
            ),
        }
    }

    #[test]
    fn any_text_is_one_quoted_string(text in any::<String>()) {
        let quoted = quoted(&text);
        prop_assert!(quoted.chars().all(|c| (' '..='~').contains(&c)));
        let back: String = serde_json::from_str(&unescape(&quoted)).expect("JSON again");
        prop_assert_eq!(back, text);
    }
}
