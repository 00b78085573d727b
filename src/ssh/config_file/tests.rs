//! Tests of `config_file`.

use super::*;

fn options(text: &str, extra: &[(&str, &str)], host: &str) -> Result<Options, SshError> {
    let home = tempfile::tempdir().expect("dir");
    let ssh = home.path().join(".ssh");
    std::fs::create_dir(&ssh).expect("mkdir");
    std::fs::write(ssh.join("config"), text).expect("write");
    for (name, text) in extra {
        let path = ssh.join(name);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("mkdir");
        std::fs::write(path, text).expect("write");
    }
    let target = Target {
        host,
        user: None,
        local_user: "me",
        home: home.path(),
    };
    read(&[ssh.join("config")], &target, Options::new())
}

fn first<'a>(options: &'a Options, keyword: &str) -> Option<&'a str> {
    options
        .get(keyword)
        .and_then(|v| v.first())
        .map(String::as_str)
}

#[test]
fn the_first_value_wins_and_lists_add_up() {
    let text = "IdentityFile ~/a\nHost box *.lab !bad.lab\n  HostName=10.0.0.1\n Port 2222 # no\n  IdentityFile \"~/b c\"\nHost *\n Port 22\n User them\n";
    let o = options(text, &[], "box").expect("read");
    assert_eq!(first(&o, "hostname"), Some("10.0.0.1"));
    assert_eq!(first(&o, "port"), Some("2222"));
    assert_eq!(
        o.get("identityfile").map(Vec::as_slice),
        Some(&["~/a".into(), "~/b c".into()][..])
    );
    assert_eq!(
        first(&options(text, &[], "bad.lab").expect("read"), "port"),
        Some("22")
    );
}

#[test]
fn includes_apply_within_their_block() {
    let extra = [
        ("conf.d/1.conf", "Host other\n Port 1\nHost box\n Port 3\n"),
        ("conf.d/.hidden.conf", "Port 9\n"),
        ("one", "User them\n"),
    ];
    let text = "Host box\n Include conf.d/*.conf\n Include one\n Port 4\n";
    let o = options(text, &extra, "box").expect("read");
    assert_eq!(
        (first(&o, "port"), first(&o, "user")),
        (Some("3"), Some("them"))
    );
    let o = options(text, &extra, "other").expect("read");
    assert!(o.is_empty(), "{o:?}");
}

#[test]
fn what_cannot_be_judged_is_an_error_only_where_it_matters() {
    let text = "Match exec \"true\"\n SendEnv X\nMatch host other exec \"x\"\n Port 3\nMatch originalhost box user me\n Port 5\n";
    assert_eq!(
        first(&options(text, &[], "box").expect("read"), "port"),
        Some("5")
    );
    let e = options("\nMatch exec \"true\"\n Port 3\n", &[], "box").expect_err("unclear");
    assert!(
        e.message.contains("config:3") && e.message.contains("exec"),
        "{e}"
    );
    assert!(options("Host \"box\n", &[], "box").is_err());
}
