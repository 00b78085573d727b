//! The policies of docs/iam, proved: people with exactly them use every verb; without any one action a verb
//! says so; and every resource and condition is there for calls that were made, and against calls that were.

mod actions;
mod conditions;
mod disks;
mod others;
mod policy;
mod run;
mod workspaces;
mod world;

use std::collections::BTreeSet;

use actions::Proved;
use policy::{read, statements};
use world::World;

#[tokio::test(flavor = "multi_thread")]
async fn the_policies_allow_what_is_done_and_no_more() {
    let begun = std::time::Instant::now();
    let lap = |what: &str| eprintln!("{:6.1} s {what}", begun.elapsed().as_secs_f32());
    let world = World::new();
    let policies = ["user", "alerts", "owners"].map(read);
    let ana = world.person("ana", &policies);
    let mut proved = Proved::new(&policies, "ana");
    run::machine(&world, &ana, &mut proved).await;
    lap("a machine of one's own");
    world.machines("none");
    run::rest(&world, &ana).await;
    lap("all other verbs");
    actions::each(&world, &policies, &proved.shown).await;
    lap("without each action");

    // From here on with words alone, and with what `remote` itself would not ask.
    let (own, plain) = (world.made(&ana, 60, &[]).await, world.plain().await);
    conditions::attempts(&world, &ana, &own, &plain).await;
    let alone = world.person("alone", &policies[..1]);
    disks::attempts(&world, &alone, &plain).await;
    conditions::of_users(&world, &policies);
    lap("each resource and condition for users");

    let all = ["user", "alerts", "workspaces", "owners"].map(read);
    let bob = world.person("bob", &all);
    let his = world.made(&bob, 60, &[]).await;
    disks::colleague(&world, &bob, &own, &his).await;
    others::colleague(&world, &bob, &own, &his).await;
    conditions::of_a_denial(&world, &bob, &all);
    lap("what is another's");

    let fenced = others::fenced(&read("instance"));
    let agent = world.person("agent", &fenced);
    others::agent(&world, &agent, &own, &plain).await;
    conditions::of_a_denial(&world, &agent, &fenced);
    lap("a role's fence");
}

#[test]
fn the_page_tells_of_every_statement_and_action() {
    let page = include_str!("../../../docs/AWS.md");
    let mut sids = BTreeSet::new();
    for name in ["user", "alerts", "workspaces", "owners", "instance"] {
        let policy = read(name);
        assert!(page.contains(&format!("(iam/{name}.json)")), "{name}");
        // A managed policy's bound, which counts no white space.
        assert!(policy.to_string().len() < 6144, "{name} is too long");
        for statement in statements(&policy) {
            let sid = statement["Sid"].as_str().expect("a name").to_owned();
            assert!(sid.bytes().all(|b| b.is_ascii_alphanumeric()), "{sid}");
            assert!(page.contains(&format!("`{sid}`")), "{sid} is not explained");
            assert!(sids.insert(sid), "{statement} has another's name");
        }
        // Of a role's it is told only what they are kept from.
        if name != "instance" {
            for action in policy::actions(&policy) {
                assert!(page.contains(&action), "why {action}?");
            }
        }
    }
    let (_, table) = page.split_once("| statement |").expect("the table");
    let (table, _) = table.split_once("\n\n").expect("its end");
    let told = table.lines().skip(2).filter_map(|l| l.split('|').nth(1));
    for sid in told.flat_map(|cell| cell.split(',')) {
        let sid = sid.trim().trim_matches('`');
        assert!(sids.contains(sid), "{sid} is in no policy");
    }
}
