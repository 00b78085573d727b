//! Each action of the policies taken away in turn: the verb that needs it says which is missing and what to do,
//! or goes on as docs/AWS.md says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::policy::{actions, denies, without};
use super::run::alert;
use super::world::{Person, World};
use crate::common::process::Ran;
use crate::common::{SOON, await_some, await_true};
use crate::harness::REGION;

/// What has been shown of which action, and whose policies are changed for it.
pub struct Proved<'a> {
    policies: &'a [Value],
    person: &'static str,
    pub shown: BTreeSet<String>,
}

const DISPATCH: [&str; 4] = ["dispatch", "--detach", "--command", "true"];
const CLEAN: [&str; 6] = [
    "gc",
    "--here",
    "--delete",
    "--volumes",
    "--results",
    "--yes",
];

impl<'a> Proved<'a> {
    pub fn new(policies: &'a [Value], person: &'static str) -> Self {
        Self {
            policies,
            person,
            shown: BTreeSet::new(),
        }
    }

    /// Runs `verb` while its person lacks `action`.
    pub fn lacks(&mut self, world: &World, action: &str, verb: impl FnOnce(&str)) {
        world.person(self.person, &lacking(self.policies, &[action]));
        verb(action);
        world.person(self.person, self.policies);
        self.shown.insert(action.to_owned());
    }
}

/// The policies as they are without these actions; what denies stays.
pub fn lacking(policies: &[Value], actions: &[&str]) -> Vec<Value> {
    policies
        .iter()
        .map(|policy| match denies(policy) {
            true => policy.clone(),
            false => without(policy, actions),
        })
        .collect()
}

/// A verb that failed names the action and what to do about it.
pub fn tells(action: &str, ran: &Ran) {
    assert_ne!(ran.code, 0, "{action}: {}", ran.all());
    let told = format!("does not permit {action}: ");
    assert!(ran.stderr.contains(&told), "{action}: {}", ran.all());
    let remedy = format!("allow `{action}` to this identity; docs/iam/");
    assert!(ran.stderr.contains(&remedy), "{action}: {}", ran.all());
    let lines = ran.stderr.lines();
    let longest = lines.map(str::len).max().unwrap_or_default();
    assert!(longest < 400, "{action}: nobody reads {}", ran.all());
}

/// Every action that has not been shown yet.
pub async fn each(world: &World, policies: &[Value], shown: &BTreeSet<String>) {
    let allowing = policies.iter().filter(|p| !denies(p));
    for action in allowing.flat_map(actions).filter(|a| !shown.contains(a)) {
        let mut gone = vec![action.as_str()];
        if action == "sts:DecodeAuthorizationMessage" {
            // Asked only of a refusal.
            gone.push("ec2:DescribeRegions");
        }
        let name = format!("without-{}", action.replace(':', "-"));
        let me = world.person(&name, &lacking(policies, &gone));
        one(world, &me, &action).await;
    }
}

async fn one(world: &World, me: &Person, action: &str) {
    let mut env = world.device(me);
    let fails = |verb: &[&str]| tells(action, &env.run(verb));
    match action {
        "ec2:DescribeInstanceTypes" => fails(&["init", "--provider", "ec2", "--yes"]),
        "servicequotas:GetServiceQuota" => {
            // How much may be rented is not known then; all else is.
            let told = env.ok(&["init", "--provider", "ec2", "--region", REGION, "--yes"]);
            let why = format!("not known: AWS does not permit {action}");
            assert!(told.all().contains(&why), "{}", told.all());
        }
        "ec2:DescribeInstances" => {
            fails(&["gc", "--here"]);
            let told = "AWS was not asked for other sessions: AWS does not permit ec2:Describe";
            // A status does not wait for AWS for ever; prices do not either.
            await_true(told, SOON, || env.ok(&["status"]).stderr.contains(told));
        }
        "ec2:DescribeVolumes" | "ec2:DescribeSnapshots" | "ec2:DescribeSecurityGroups" => {
            fails(&["gc", "--here"]);
        }
        "ec2:DescribeRegions" => fails(&["gc"]),
        "sts:DecodeAuthorizationMessage" => tells("ec2:DescribeRegions", &env.run(&["gc"])),
        "ec2:DescribeSpotPriceHistory" | "pricing:GetProducts" => {
            // A dated table answers, and it is said why.
            let why = format!("not authorized to perform: {action} on resource: *");
            let told = await_some(&why, SOON, || {
                let told = world.device(me).ok(&["prices", "m6i.large"]);
                told.stderr.contains(&why).then_some(told)
            });
            assert!(!told.stderr.contains("Encoded"), "{}", told.all());
            assert!(told.stdout.contains('≈'), "{}", told.all());
        }
        "ec2:DescribeSubnets" | "ec2:RunInstances" | "ec2:CreateTags" | "ssm:GetParameters" => {
            fails(&DISPATCH);
        }
        "ec2:DescribeRouteTables" => {
            let mut elsewhere = DISPATCH.to_vec();
            elsewhere.extend(["--config", "ec2.subnet=subnet-0123456789abcdef0"]);
            fails(&elsewhere);
        }
        "ec2:CreateSecurityGroup" => {
            // A region that has no door yet.
            env.set("REMOTE_REGION", "us-west-2");
            tells(action, &env.run(&DISPATCH));
        }
        "ec2:AuthorizeSecurityGroupIngress" => {
            world.move_devices().await;
            fails(&DISPATCH);
            await_true("nothing of the launch", SOON, || {
                !env.ok(&["gc", "--here"]).stdout.contains("volume")
            });
        }
        "ec2:TerminateInstances" => {
            let made = world.made(me, -60, &[]).await;
            let told = "machines past their deadline run on: AWS does not permit ec2:Terminate";
            await_true(told, SOON, || env.ok(&["status"]).stderr.contains(told));
            fails(&CLEAN);
            tells(action, &env.run(&["terminate", &made.session, "--yes"]));
        }
        "ec2:ModifyInstanceAttribute" => {
            // Its volume goes after it instead of with it.
            let blank = world.blank(me).await;
            env.ok(&["terminate", &blank.session, "--yes"]);
            world.gone(&blank.volume).await;
        }
        "ec2:DeleteVolume" => {
            let made = world.made(me, 60, &[]).await;
            world.ends(&made).await;
            fails(&CLEAN);
        }
        "ec2:DeleteSnapshot" => {
            let made = world.made(me, 60, &[]).await;
            world.ends(&made).await;
            world.snapshot(&made).await;
            fails(&CLEAN);
        }
        "ec2:DeleteSecurityGroup" => fails(&CLEAN),
        "sns:DeleteTopic" => {
            env.ok(&alert("5usd"));
            fails(&["alert", "rm", "--yes"]);
        }
        "budgets:ViewBudget" => fails(&["alert", "show"]),
        _ if action.starts_with("sns:") || action.starts_with("budgets:") => fails(&alert("5usd")),
        _ => panic!("nothing here needs {action}: take it out of the policy, or show what does"),
    }
}
