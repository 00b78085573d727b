//! Each obstacle alone, seen and concluded: what is said of it, and what mends it.

use super::*;

const HERE: &str = "198.51.100.7";
const T: Millis = 1_800_000_000_000;

fn rule(cidr: &str, device: &str) -> Rule {
    Rule {
        cidr: Cidr::parse(cidr).expect("a range"),
        description: format!("remote {device} 2026-11-03T10:00:00Z"),
    }
}

/// All is well: the machine runs, the rule is right, sshd answers.
fn well() -> Seen {
    Seen {
        region: "eu-west-1".into(),
        region_is_known: true,
        region_nearest: "eu-west-1",
        profile: None,
        api: Api::Answers { ahead: Some(1) },
        identity: Ok("arn:aws:iam::1:user/me".into()),
        addresses: Some(Ok(vec![HERE.parse().expect("an address")])),
        fixed: Vec::new(),
        device: "laptop".into(),
        rules: Some(Ok(Some(vec![rule(HERE, "laptop")]))),
        session: Some(SessionSeen {
            id: "session-abc234".into(),
            region: "eu-west-1".into(),
            instance: "i-0abc".into(),
            launched: T - 3_600_000,
            now: T,
            machine: Some(Ok(Some((
                MachineState::Running,
                Some("203.0.113.9".into()),
            )))),
            address: "203.0.113.9".into(),
            port: 22,
            knock: Some(Knock::Ssh {
                banner: "SSH-2.0-OpenSSH_9.2".into(),
                login: SshLogin::In,
            }),
        }),
    }
}

fn knocking(knock: Knock) -> Seen {
    let mut seen = well();
    seen.session.as_mut().expect("it").knock = Some(knock);
    seen
}

fn nobody() -> AddressError {
    AddressError::NoAnswer {
        url: "https://checkip".into(),
        why: "no route".into(),
    }
}

fn hotel() -> AddressError {
    AddressError::Portal {
        url: "https://checkip".into(),
        said: "<html>Welcome".into(),
    }
}

/// What is wrong, by name, and with its remedy in one text.
fn wrong(seen: &Seen) -> Vec<(&'static str, String)> {
    let all = decide(seen).into_iter();
    all.filter(|f| f.verdict != Verdict::Good)
        .map(|f| {
            let remedy = f.remedy.expect("whatever is wrong has a remedy");
            assert!(!remedy.is_empty(), "{}", f.detail);
            (f.name, format!("{} -> {remedy}", f.detail))
        })
        .collect()
}

/// The one thing that is wrong says all of `words`.
#[track_caller]
fn says(seen: &Seen, name: &str, words: &[&str]) {
    let all = wrong(seen);
    let found = all.iter().find(|(n, _)| *n == name);
    let (_, text) = found.unwrap_or_else(|| panic!("no {name} in {all:#?}"));
    for word in words {
        assert!(text.contains(word), "no {word:?} in {text:?}");
    }
}

#[test]
fn where_all_is_well_nothing_is_wrong() {
    assert_eq!(wrong(&well()), []);
    let names: Vec<&str> = decide(&well()).iter().map(|f| f.name).collect();
    let expected = [
        "aws region",
        "aws identity",
        "address",
        "port 22 rule",
        "machine",
        "port 22",
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_blocked_port_a_portal_and_a_wrong_address_are_told_apart() {
    let blocked = knocking(Knock::TimedOut);
    says(
        &blocked,
        "port 22",
        &[
            "port 22 is blocked on the way",
            "the rule lets this device in",
            "another network",
        ],
    );
    assert_eq!(wrong(&blocked).len(), 1);

    let mut elsewhere = knocking(Knock::TimedOut);
    elsewhere.rules = Some(Ok(Some(vec![
        rule("192.0.2.1", "laptop"),
        rule("192.0.2.2", "tower"),
    ])));
    says(
        &elsewhere,
        "port 22 rule",
        &[
            "wrong address: the rule lets 192.0.2.1/32 in",
            HERE,
            "`remote attach session-abc234`",
        ],
    );
    says(
        &elsewhere,
        "port 22",
        &[
            "no rule lets this device in",
            "`remote attach session-abc234`",
        ],
    );

    let mut portal = knocking(Knock::TimedOut);
    portal.addresses = Some(Err(hotel()));
    portal.api = Api::Impostor("invalid peer certificate".into());
    portal.identity = Err(NoIdentity::NotAsked);
    (portal.rules, portal.session.as_mut().expect("it").machine) = (None, None);
    says(&portal, "aws region", &["captive portal", "in a browser"]);
    says(&portal, "address", &["captive portal", "Welcome"]);
    says(&portal, "port 22", &["portal holds it up"]);
}

#[test]
fn what_knocking_comes_to() {
    let told = |knock, words: &[&str]| {
        let seen = knocking(knock);
        says(&seen, "port 22", words);
        assert_eq!(wrong(&seen).len(), 1);
    };
    told(Knock::Silent, &["says nothing", "proxy"]);
    told(
        Knock::Foreign("HTTP/1.1 400 Bad Request".into()),
        &["no SSH server", "HTTP/1.1 400"],
    );
    told(Knock::Closed, &["hangs up"]);
    told(
        Knock::Refused,
        &[
            "its sshd is down",
            "--region eu-west-1 --instance-id i-0abc",
        ],
    );
    told(
        Knock::NoWay("no route to host".into()),
        &["no route to host"],
    );
    let ssh = |login| Knock::Ssh {
        banner: "SSH-2.0-x".into(),
        login,
    };
    told(
        ssh(SshLogin::Stranger),
        &["Instance Connect", "`remote attach session-abc234`"],
    );
    told(
        ssh(SshLogin::Failed("no algorithm".into())),
        &["no algorithm"],
    );
    let other = knocking(ssh(SshLogin::OtherKey("it is SHA256:x".into())));
    says(
        &other,
        "host key",
        &[
            "another host key",
            "nothing is sent",
            "`remote terminate session-abc234`",
        ],
    );

    let mut young = knocking(Knock::Refused);
    young.session.as_mut().expect("it").launched = T - 30_000;
    says(&young, "port 22", &["not up yet"]);
    assert!(decide(&young).iter().all(|f| f.verdict != Verdict::Missing));
}

#[test]
fn a_rule_of_another_device_for_the_same_address_lets_in_too() {
    let mut seen = well();
    seen.rules = Some(Ok(Some(vec![rule("198.51.100.0/24", "tower")])));
    assert_eq!(wrong(&seen), []);
}

#[test]
fn ipv6_is_an_address_like_another() {
    let mut seen = knocking(Knock::TimedOut);
    seen.addresses = Some(Ok(vec![
        HERE.parse().expect("it"),
        "2001:db8::7".parse().expect("it"),
    ]));
    seen.rules = Some(Ok(Some(vec![rule("2001:db8::7", "laptop")])));
    let session = seen.session.as_mut().expect("it");
    session.address = "2001:db8:1::9".into();
    session.machine = Some(Ok(Some((
        MachineState::Running,
        Some("2001:db8:1::9".into()),
    ))));
    says(&seen, "port 22", &["blocked", "[2001:db8:1::9]:22"]);
    seen.rules = Some(Ok(Some(vec![rule("2001:db8::8", "laptop")])));
    says(
        &seen,
        "port 22 rule",
        &["2001:db8::8/128", "198.51.100.7 and 2001:db8::7"],
    );
}

#[test]
fn credentials_clock_and_region() {
    let with = |change: fn(&mut Seen)| {
        let mut seen = well();
        seen.session = None;
        seen.rules = None;
        change(&mut seen);
        seen
    };
    let refused = |code: &str, message: &str| {
        Err(NoIdentity::Refused {
            code: code.into(),
            message: message.into(),
        })
    };
    let mut skewed = with(|s| s.api = Api::Answers { ahead: Some(-3600) });
    skewed.identity = refused(
        "SignatureDoesNotMatch",
        "Signature expired: 20260101T000000Z is now earlier than",
    );
    says(&skewed, "clock", &["1h behind AWS's", "timedatectl"]);
    says(&skewed, "aws identity", &["for its clock is wrong"]);
    skewed.api = Api::Answers { ahead: None };
    says(&skewed, "clock", &["AWS says"]);
    let mut expired = with(|_| ());
    expired.identity = refused(
        "ExpiredToken",
        "The security token included in the request is expired",
    );
    expired.profile = Some("work".into());
    says(
        &expired,
        "aws identity",
        &["ExpiredToken", "`aws sso login --profile work`"],
    );
    assert_eq!(wrong(&expired).len(), 1);
    let none = with(|s| {
        s.identity = Err(NoIdentity::None {
            why: "no AWS credentials: none".into(),
            remedy: "run `aws configure`".into(),
        });
    });
    says(
        &none,
        "aws identity",
        &["no AWS credentials", "`aws configure`"],
    );
    let typo = with(|s| {
        (s.region, s.region_is_known) = ("eu-wst-1".into(), false);
        (s.api, s.identity) = (
            Api::NoName("no such name".into()),
            Err(NoIdentity::NotAsked),
        );
    });
    says(
        &typo,
        "aws region",
        &["no AWS region `eu-wst-1`", "--region eu-west-1 --yes`"],
    );
    let mut offline = with(|s| {
        (s.api, s.identity) = (Api::NoName("try again".into()), Err(NoIdentity::NotAsked));
    });
    offline.addresses = Some(Err(nobody()));
    says(&offline, "aws region", &["offline"]);
    says(&offline, "address", &["connect to a network"]);
    let firewall = with(|s| {
        (s.api, s.identity) = (Api::Silent("no answer".into()), Err(NoIdentity::NotAsked));
    });
    says(
        &firewall,
        "aws region",
        &["does not answer", "curl -v https://ec2.eu-west-1"],
    );
    let mut deaf = with(|_| ());
    deaf.addresses = Some(Err(nobody()));
    says(&deaf, "address", &["address_service", "ssh_from"]);
}

#[test]
fn a_machine_that_is_gone_stopped_or_elsewhere() {
    let with = |machine| {
        let mut seen = knocking(Knock::TimedOut);
        seen.session.as_mut().expect("it").machine = Some(machine);
        seen
    };
    for gone in [Ok(None), Ok(Some((MachineState::Gone, None)))] {
        let seen = with(gone);
        says(&seen, "machine", &["no more", "`remote gc`"]);
        assert_eq!(
            wrong(&seen).len(),
            1,
            "that nothing answers there needs no word"
        );
    }
    says(
        &with(Ok(Some((MachineState::Stopped, None)))),
        "machine",
        &["stopped"],
    );
    let moved = with(Ok(Some((
        MachineState::Running,
        Some("203.0.113.99".into()),
    ))));
    says(
        &moved,
        "machine",
        &["203.0.113.99 now", "`remote attach session-abc234`"],
    );
}

#[test]
fn without_a_session_nothing_is_wrong_that_the_next_dispatch_mends() {
    let mut seen = well();
    seen.session = None;
    for rules in [
        None,
        Some(Vec::new()),
        Some(vec![rule("192.0.2.2", "tower")]),
    ] {
        seen.rules = Some(Ok(rules));
        assert_eq!(wrong(&seen), []);
    }
    seen.rules = Some(Ok(Some(vec![rule("192.0.2.1", "laptop")])));
    says(
        &seen,
        "port 22 rule",
        &["wrong address", "the next `remote dispatch`"],
    );
    assert!(decide(&seen).iter().all(|f| f.verdict != Verdict::Missing));
}

#[test]
fn fixed_ranges_are_looked_for() {
    let mut seen = well();
    (seen.addresses, seen.fixed) = (None, vec![Cidr::parse("192.0.2.0/24").expect("a range")]);
    says(&seen, "port 22 rule", &["192.0.2.0/24", "ssh_from"]);
    seen.rules = Some(Ok(Some(vec![rule("192.0.2.0/24", "laptop")])));
    assert_eq!(wrong(&seen), []);
    seen.session.as_mut().expect("it").knock = Some(Knock::TimedOut);
    says(
        &seen,
        "port 22",
        &["this network blocks port 22, or no rule"],
    );
}
