//! Port 22: who may knock by the rules, and what was heard there. The same silence means one thing where the rule
//! lets us in and another where it does not.

use super::decide::portal;
use super::{Finding, Knock, Seen, SessionSeen, SshLogin};
use crate::model::Millis;
use crate::provision::MachineState;
use crate::provision::ec2::{Api, Rule};

/// A machine may take so long until its sshd answers.
const BOOT: Millis = 3 * 60_000;

/// Whether a rule lets this device in from where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LetIn {
    Yes,
    No,
    Unknown,
}

fn let_in(seen: &Seen) -> LetIn {
    let Some(Ok(Some(rules))) = &seen.rules else {
        return LetIn::Unknown;
    };
    match &seen.addresses {
        Some(Ok(addresses)) => {
            let by = |r: &Rule| addresses.iter().any(|a| r.cidr.covers(*a));
            if rules.iter().any(by) {
                LetIn::Yes
            } else {
                LetIn::No
            }
        }
        Some(Err(_)) => LetIn::Unknown,
        // Whether the fixed ranges are right for where it is, nobody has been asked.
        None => LetIn::Unknown,
    }
}

/// The rule for port 22 against the address that this device has.
pub(super) fn door(seen: &Seen) -> Option<Finding> {
    const NAME: &str = "port 22 rule";
    let rules = match seen.rules.as_ref()? {
        Ok(Some(rules)) => rules,
        Ok(None) => {
            return Some(Finding::good(
                NAME,
                "none yet; the first dispatch makes one for this device",
            ));
        }
        Err(why) => {
            return Some(Finding::bad(
                NAME,
                false,
                format!("the rules cannot be read: {why}"),
                "allow `ec2:DescribeSecurityGroups` to this identity; docs/AWS.md has the whole policy",
            ));
        }
    };
    let Some(Ok(addresses)) = &seen.addresses else {
        return seen.addresses.is_none().then(|| fixed(seen, rules));
    };
    let own: Vec<&Rule> = rules.iter().filter(|r| r.is_of(&seen.device)).collect();
    let of = |rules: &[&Rule]| {
        let all: Vec<&str> = rules.iter().map(|r| r.cidr.as_str()).collect();
        all.join(" and ")
    };
    let open: Vec<&Rule> = rules
        .iter()
        .filter(|r| addresses.iter().any(|a| r.cidr.covers(*a)))
        .collect();
    let here: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    let here = here.join(" and ");
    if !open.is_empty() {
        return Some(Finding::good(NAME, format!("{} may knock", of(&open))));
    }
    let needed = seen.session.is_some();
    let mend = match &seen.session {
        Some(session) => format!(
            "run `remote attach {}`, which moves the rule to where this device is",
            session.id
        ),
        None => "nothing now: the next `remote dispatch` or `remote attach SESSION` moves the rule"
            .to_owned(),
    };
    Some(if own.is_empty() {
        if !needed {
            return Some(Finding::good(
                NAME,
                "none of this device; the next dispatch makes it",
            ));
        }
        Finding::bad(NAME, true, format!("no rule lets {here} in"), mend)
    } else {
        let detail = format!(
            "wrong address: the rule lets {} in, and this device is {here}",
            of(&own)
        );
        Finding::bad(NAME, needed, detail, mend)
    })
}

fn fixed(seen: &Seen, rules: &[Rule]) -> Finding {
    const NAME: &str = "port 22 rule";
    let ranges: Vec<&str> = seen.fixed.iter().map(|c| c.as_str()).collect();
    let missing: Vec<&str> = seen
        .fixed
        .iter()
        .filter(|c| !rules.iter().any(|r| r.cidr == **c))
        .map(|c| c.as_str())
        .collect();
    if missing.is_empty() || seen.session.is_none() {
        return Finding::good(NAME, format!("ec2.ssh_from: {}", ranges.join(", ")));
    }
    Finding::bad(
        NAME,
        true,
        format!("no rule lets {} of `ec2.ssh_from` in", missing.join(", ")),
        "run `remote dispatch` again, or set `ec2.ssh_from = \"auto\"` in config.toml",
    )
}

/// What knocking came to.
pub(super) fn knocked(seen: &Seen) -> Option<Finding> {
    const NAME: &str = "port 22";
    let session = seen.session.as_ref()?;
    let knock = session.knock.as_ref()?;
    // Of a machine that does not run nothing else is to be expected, and that has been said.
    if !matches!(
        session.machine,
        None | Some(Err(_) | Ok(Some((MachineState::Running, _))))
    ) {
        return None;
    }
    let id = &session.id;
    let place = place(session);
    let bad = |detail: String, remedy: String| Some(Finding::bad(NAME, true, detail, remedy));
    let elsewhere = format!("use another network (a phone's), then run `remote doctor {id}` again");
    let behind_portal = || {
        let why = "this network's portal holds it up";
        bad(
            format!("{place} is not reached: {why}"),
            format!("log in to this network, as said above, then run `remote doctor {id}` again"),
        )
    };
    match knock {
        Knock::Ssh { banner, login } => Some(greeted(session, banner, login)),
        Knock::Foreign(line) => bad(
            format!(
                "what answers at {place} is no SSH server (\"{line}\"): a portal or a proxy stands in between"
            ),
            elsewhere,
        ),
        Knock::Silent => bad(
            format!("{place} accepts and says nothing: a portal or a proxy stands in between"),
            elsewhere,
        ),
        _ if portal(seen) => behind_portal(),
        Knock::Closed if let_in(seen) == LetIn::No => no_rule(session, &place, "hangs up"),
        Knock::Closed => bad(
            format!(
                "{place} accepts and hangs up: a proxy in between, or an sshd that is too busy"
            ),
            format!("run `remote doctor {id}` again in a minute; if it stays, {elsewhere}"),
        ),
        Knock::Refused if let_in(seen) == LetIn::No => no_rule(session, &place, "refuses"),
        Knock::Refused if session.now.saturating_sub(session.launched) < BOOT => {
            Some(Finding::bad(
                NAME,
                false,
                format!("{place} refuses: its sshd is not up yet"),
                format!("run `remote doctor {id}` again in a minute"),
            ))
        }
        Knock::Refused => bad(
            format!(
                "{place} refuses: its sshd is down, or a firewall here refuses port {}",
                session.port
            ),
            format!(
                "run `aws ec2 get-console-output --latest --region {} --instance-id {}` for what the machine says; or {elsewhere}",
                session.region, session.instance
            ),
        ),
        Knock::TimedOut if let_in(seen) == LetIn::No => no_rule(session, &place, "does not answer"),
        Knock::TimedOut if matches!(seen.api, Api::Answers { .. }) => bad(
            match let_in(seen) {
                LetIn::Yes => format!(
                    "port {} is blocked on the way: AWS answers and the rule lets this device in, and what is sent to {place} vanishes",
                    session.port
                ),
                _ => format!(
                    "what is sent to {place} vanishes: this network blocks port {}, or no rule lets this device in",
                    session.port
                ),
            },
            format!(
                "{elsewhere}; or have this one allow outgoing TCP to port {}",
                session.port
            ),
        ),
        Knock::TimedOut => bad(
            format!("{place} does not answer, and neither does AWS"),
            format!("mend what is said above, then run `remote doctor {id}` again"),
        ),
        Knock::NoWay(why) => bad(format!("there is no way to {place}: {why}"), elsewhere),
    }
}

fn no_rule(session: &SessionSeen, place: &str, does: &str) -> Option<Finding> {
    Some(Finding::bad(
        "port 22",
        true,
        format!("{place} {does}, for no rule lets this device in"),
        format!(
            "run `remote attach {}`, which moves the rule to where this device is",
            session.id
        ),
    ))
}

fn greeted(session: &SessionSeen, banner: &str, login: &SshLogin) -> Finding {
    const NAME: &str = "port 22";
    let (id, place) = (&session.id, place(session));
    match login {
        SshLogin::In => Finding::good(
            NAME,
            format!("{place} lets this device in ({banner}); its host key is the right one"),
        ),
        SshLogin::Stranger => Finding::bad(
            NAME,
            true,
            format!("{place} has the right host key and does not know this device's key"),
            format!("run `remote attach {id}`, which has EC2 Instance Connect let it in"),
        ),
        SshLogin::OtherKey(why) => Finding::bad(
            "host key",
            true,
            format!(
                "what answers at {place} has another host key than the session's machine, and nothing is sent to it: \
                 somebody stands in between, or another machine has this address now ({why})"
            ),
            format!(
                "use another network, then run `remote doctor {id}` again; if it stays, `remote terminate {id}` ends the \
                 machine through AWS and keeps its work volume"
            ),
        ),
        SshLogin::Failed(why) => Finding::bad(
            NAME,
            true,
            format!("{place} speaks SSH ({banner}), and the handshake fails: {why}"),
            format!("run `remote doctor {id}` again in a minute"),
        ),
    }
}

/// `203.0.113.9:22`, `[2001:db8::9]:22`
fn place(session: &SessionSeen) -> String {
    match session.address.contains(':') {
        true => format!("[{}]:{}", session.address, session.port),
        false => format!("{}:{}", session.address, session.port),
    }
}
