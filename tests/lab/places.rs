//! Where there is no capacity, as a person sees it: another zone, another size, on demand, each only if allowed;
//! and nothing of the kind for what another place would refuse as well.

use serde_json::json;

use crate::common::env::session_in;
use crate::harness::{Lab, Machines};
use crate::person::{all_is_listed_and_goes, patiently};

const COMMAND: [&str; 2] = ["--command", "exec sleep 1000"];

#[test]
fn no_capacity_leads_elsewhere_where_that_is_allowed() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let full = |matching: &str, count: u32| {
        lab.control().post("clear", &json!({}));
        lab.control().fault(&json!({
            "action": "RunInstances", "kind": "before", "code": "InsufficientInstanceCapacity", "status": 400,
            "count": count, "match": matching, "message": "We currently do not have sufficient capacity",
        }));
    };
    let spot = "InstanceMarketOptions.MarketType=spot";
    let large = "InstanceType=m6i.large";
    for (matching, count, words, told) in [
        ("", 1, [].as_slice(), "trying m6i.large in us-east-1b"),
        (large, 0, &["--or-larger"], "trying m6i.xlarge"),
        (
            spot,
            0,
            &["--spot", "--or-on-demand"],
            "trying m6i.large in us-east-1a",
        ),
        (spot, 1, &["--spot"], "trying m6i.large on spot in"),
    ] {
        full(matching, count);
        let mut all = vec!["dispatch", "--detach", "--instance", "m6i.large"];
        all.extend(words);
        all.extend(COMMAND);
        let ran = patiently(&env, &all);
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.all());
        let said = "no capacity for m6i.large";
        assert!(ran.stderr.contains(said), "{words:?}: {}", ran.all());
        assert!(ran.stderr.contains(told), "{words:?}: {}", ran.all());
        let session = session_in(&ran.stdout).expect("a session");
        env.ok(&["terminate", &session, "--yes"]);
    }
    all_is_listed_and_goes(&lab, &env, "capacity elsewhere");
}

#[test]
fn nothing_else_leads_elsewhere_and_each_says_what_to_do() {
    let lab = Lab::start(Machines::None);
    let env = lab.device();
    for (code, said, hint) in [
        (
            "InsufficientInstanceCapacity",
            "m6i.large",
            "try another `--az`",
        ),
        ("VcpuLimitExceeded", "L-1216C47A", "ask for a higher quota"),
        (
            "UnauthorizedOperation",
            "ec2:RunInstances",
            "allow `ec2:RunInstances`",
        ),
        ("InvalidParameterValue", "injected", ""),
    ] {
        lab.control().post("clear", &json!({}));
        let count = u32::from(code != "InsufficientInstanceCapacity");
        lab.control().fault(&json!({
            "action": "RunInstances", "kind": "before", "code": code, "status": 400, "count": count,
        }));
        let before = lab.control().calls().len();
        let mut all = vec![
            "dispatch",
            "--detach",
            "--instance",
            "m6i.large",
            "--spot",
            "--az",
            "us-east-1a",
        ];
        if count == 1 {
            all.extend(["--or-larger", "--or-on-demand"]);
        }
        all.extend(COMMAND);
        let ran = patiently(&env, &all);
        assert_eq!(ran.code, 1, "{code}: {}", ran.all());
        assert!(ran.stderr.contains(said), "{code}: {}", ran.all());
        assert!(ran.stderr.contains(hint), "{code}: {}", ran.all());
        let calls = &lab.control().calls()[before..];
        let asked = calls.iter().filter(|c| c.action == "RunInstances");
        assert_eq!(asked.count(), 1, "{code}");
        all_is_listed_and_goes(&lab, &env, code);
    }
}
