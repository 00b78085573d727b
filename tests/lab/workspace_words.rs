//! The same words for workspaces on every provider: on this machine and on one of one's own they are directories, on
//! EC2 volumes; what is typed and told is the same.

use std::path::PathBuf;

use aws_sdk_ec2::types::{InstanceStateName, InstanceType, Tag};
use remote_compute::config::Paths;
use remote_compute::workspace::dirs::Dirs;
use serde_json::Value;

use crate::common::env::TestEnv;
use crate::common::sshd::{Sshd, SshdOptions};
use crate::guest::await_state;
use crate::harness::{Lab, Machines, REGION};
use crate::person::json_of;

/// Where a person's workspaces are.
struct Place {
    env: TestEnv,
    kind: Kind,
}

enum Kind {
    /// Directories below this home.
    Dirs {
        home: PathBuf,
        _ground: Vec<Box<dyn std::any::Any>>,
    },
    Ebs(Box<Lab>),
}

fn local() -> Place {
    let env = TestEnv::new();
    let home = env.home().to_owned();
    let kind = Kind::Dirs {
        home,
        _ground: Vec::new(),
    };
    Place { env, kind }
}

fn ssh() -> Place {
    let (mut env, far) = (TestEnv::new(), TestEnv::new());
    let sshd = Sshd::start(&SshdOptions::home(far.home()));
    env.use_sshd(&sshd, sshd.port);
    env.set("REMOTE_PROVIDER", "ssh");
    env.set("REMOTE_HOST", "box");
    let home = far.home().to_owned();
    let _ground: Vec<Box<dyn std::any::Any>> = vec![Box::new(sshd), Box::new(far)];
    Place {
        env,
        kind: Kind::Dirs { home, _ground },
    }
}

fn ec2() -> Place {
    let lab = Lab::start(Machines::None);
    Place {
        env: lab.device(),
        kind: Kind::Ebs(Box::new(lab)),
    }
}

#[test]
fn local_workspaces_are_spoken_to_in_the_same_words() {
    the_same_words(&local());
}

#[test]
fn ssh_workspaces_are_spoken_to_in_the_same_words() {
    the_same_words(&ssh());
}

#[test]
fn ec2_workspaces_are_spoken_to_in_the_same_words() {
    the_same_words(&ec2());
}

impl Place {
    fn list(&self) -> Vec<Value> {
        let told = json_of(&self.env.ok(&["workspace", "list", "--json"]));
        told.as_array().expect("a list").clone()
    }

    fn snapshots(&self) -> Vec<Value> {
        let words = ["workspace", "list", "--snapshots", "--json"];
        let told = json_of(&self.env.ok(&words));
        told.as_array().expect("a list").clone()
    }

    /// What comes of a command that cannot be; it says what to do next.
    fn refused(&self, args: &[&str], code: i32, said: &str) {
        let args = [&["workspace"], args].concat();
        let ran = self.env.run(&args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.all());
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.all());
        assert!(
            code == 2 || ran.stderr.contains("Hint: "),
            "{args:?}: {}",
            ran.all()
        );
    }

    fn files(&self, name: &str) -> Option<PathBuf> {
        match &self.kind {
            Kind::Dirs { home, .. } => {
                let root = home.join(".local/share/remote/workspaces");
                Some(root.join(name).join("files"))
            }
            Kind::Ebs(_) => None,
        }
    }

    /// Something is put on it, as a session would.
    fn put(&self, name: &str, text: &str) {
        if let Some(files) = self.files(name) {
            std::fs::write(files.join("note"), text).expect("written");
        }
        if let Kind::Ebs(lab) = &self.kind {
            let id = self.id(name);
            run(async {
                let tag = Tag::builder().key("remote:blank").value("no").build();
                let call = lab.ec2(REGION).create_tags().resources(id).tags(tag);
                call.send().await.expect("a tag");
            });
        }
    }

    fn id(&self, name: &str) -> String {
        let all = self.list();
        let one = all
            .iter()
            .find(|w| w["name"] == name)
            .expect("it is listed");
        one["id"].as_str().expect("an id").to_owned()
    }

    /// A session takes it; what to call when it is done.
    fn take(&self, name: &str) -> Box<dyn FnOnce() + '_> {
        let session = "session-abc234";
        match &self.kind {
            Kind::Dirs { home, .. } => {
                let var = |v: &str| (v == "HOME").then(|| home.clone());
                let dirs = Dirs::here(&Paths::new(var).expect("paths"));
                let (name, session) = (
                    name.parse().expect("a name"),
                    session.parse().expect("a name"),
                );
                run(async { dirs.hold(&name, &session).await.expect("held") });
                Box::new(move || {
                    run(async { dirs.release(&name, &session).await.expect("released") });
                })
            }
            Kind::Ebs(lab) => {
                let (id, ec2) = (self.id(name), lab.ec2(REGION));
                let instance = run(async {
                    let image = "resolve:ssm:/aws/service/debian/release/12/latest/amd64";
                    let zone =
                        aws_sdk_ec2::types::Placement::builder().availability_zone("us-east-1a");
                    let call = ec2.run_instances().image_id(image).placement(zone.build());
                    let call = call
                        .instance_type(InstanceType::M6iLarge)
                        .min_count(1)
                        .max_count(1);
                    let told = call.send().await.expect("an instance");
                    let instance = told.instances()[0].instance_id().expect("an id").to_owned();
                    await_state(&ec2, &instance, InstanceStateName::Running).await;
                    let call = ec2.attach_volume().volume_id(&id).instance_id(&instance);
                    call.device("/dev/sdg").send().await.expect("attached");
                    let tag = Tag::builder().key("remote:holder").value(session).build();
                    let call = ec2.create_tags().resources(&id).tags(tag);
                    call.send().await.expect("a tag");
                    instance
                });
                Box::new(move || {
                    run(async {
                        let call = ec2.detach_volume().volume_id(&id);
                        call.instance_id(&instance).send().await.expect("detached");
                    });
                })
            }
        }
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(work)
}

fn the_same_words(place: &Place) {
    let env = &place.env;
    assert!(place.list().is_empty() && place.snapshots().is_empty());
    let none = "there is no workspace `alpha` here";
    place.refused(&["snapshot", "alpha"], 1, none);
    place.refused(&["resize", "alpha", "20gb", "--yes"], 1, none);
    place.refused(&["delete", "alpha", "--yes", "alpha"], 1, none);
    place.refused(
        &["create", "--name", "vol-1", "--size", "10gb"],
        2,
        "is no workspace's name",
    );
    place.refused(
        &["create", "--name", "alpha", "--size", "10"],
        1,
        "is no size",
    );
    place.refused(&["create", "--name", "alpha"], 2, "--size");

    let made = json_of(&env.ok(&[
        "workspace",
        "create",
        "--name",
        "alpha",
        "--size",
        "10gb",
        "--keep",
        "2",
        "--json",
    ]));
    assert_eq!(
        (&made["gib"], &made["state"], &made["keep"]),
        (&10.into(), &"free".into(), &2.into())
    );
    let again = ["create", "--name", "alpha", "--size", "10gb"];
    place.refused(&again, 1, "there is a workspace `alpha` already");
    place.refused(
        &["restore", "alpha", "--name", "beta"],
        1,
        "no complete snapshot of `alpha`",
    );

    place.put("alpha", "one");
    let words = [
        "workspace",
        "snapshot",
        "alpha",
        "--note",
        "first try",
        "--wait",
        "--json",
    ];
    let first = json_of(&env.ok(&words));
    assert_eq!(
        (&first["workspace"], &first["complete"]),
        (&"alpha".into(), &true.into())
    );
    let id = first["id"].as_str().expect("an id");
    place.put("alpha", "two");
    assert_eq!(place.list()[0]["newest_snapshot"]["id"], first["id"]);
    let told = env.ok(&["workspace", "list", "--snapshots"]).stdout;
    assert!(told.contains(id) && told.contains("first try"), "{told}");

    place.refused(
        &["restore", id, "--name", "beta", "--size", "5gb"],
        1,
        "cannot hold them",
    );
    place.refused(
        &["restore", "snap-0", "--name", "beta"],
        1,
        "there is no snapshot `snap-0`",
    );
    env.ok(&["workspace", "restore", id, "--name", "beta"]);
    env.ok(&[
        "workspace",
        "restore",
        "alpha",
        "--name",
        "gamma",
        "--size",
        "20gb",
    ]);
    // As it is now, and not as its newest snapshot has it.
    place.put("alpha", "three");
    env.ok(&["workspace", "create", "--name", "delta", "--from", "alpha"]);
    let sizes: Vec<(String, u64)> = place
        .list()
        .iter()
        .map(|w| {
            (
                w["name"].as_str().unwrap_or_default().to_owned(),
                w["gib"].as_u64().unwrap_or(0),
            )
        })
        .collect();
    let expected = [("alpha", 10), ("beta", 10), ("delta", 10), ("gamma", 20)];
    assert_eq!(sizes, expected.map(|(n, g)| (n.to_owned(), g)));
    for (name, text) in [
        ("alpha", "three"),
        ("beta", "one"),
        ("gamma", "one"),
        ("delta", "three"),
    ] {
        if let Some(files) = place.files(name) {
            let found = std::fs::read_to_string(files.join("note")).expect(name);
            assert_eq!(found, text, "{name}");
        }
    }

    env.ok(&["workspace", "resize", "alpha", "20gb", "--yes"]);
    place.refused(
        &["resize", "alpha", "5gb", "--yes"],
        1,
        "cannot become smaller",
    );
    place.refused(&["resize", "alpha", "40gb"], 1, "Nobody can be asked");

    let done = place.take("alpha");
    let listed = env.ok(&["workspace", "list"]).stdout;
    assert!(
        listed.contains("attached") && listed.contains("session-abc234"),
        "{listed}"
    );
    let delete = ["delete", "alpha", "--yes", "alpha"];
    place.refused(&delete, 1, "in use by session-abc234");
    done();

    place.refused(&["delete", "alpha"], 1, "nobody can be asked");
    place.refused(
        &["delete", "alpha", "--yes", "beta"],
        1,
        "nothing was deleted",
    );
    assert_eq!(place.list().len(), 4);
    let told = env.ok(&["workspace", "delete", "alpha", "--yes", "alpha"]);
    assert!(
        told.stderr.contains("These snapshots stay") && told.stderr.contains(id),
        "{}",
        told.all()
    );
    place.refused(&delete, 1, none);
    assert_eq!(place.list().len(), 3);
    // What a workspace that is no more has left can be had back.
    env.ok(&["workspace", "restore", id, "--name", "alpha"]);
    for snapshot in place.snapshots() {
        let id = snapshot["id"].as_str().expect("an id");
        env.ok(&["workspace", "delete", id, "--yes", id]);
        place.refused(&["delete", id, "--yes", id], 1, "there is no snapshot");
    }
    for name in ["alpha", "beta", "gamma", "delta"] {
        env.ok(&["workspace", "delete", name, "--yes", name, "--json"]);
    }
    assert!(place.list().is_empty() && place.snapshots().is_empty());
}

#[test]
fn the_dotted_spelling_and_the_shell_know_them() {
    let env = TestEnv::new();
    let link = env.bin().join("remote.workspace.create");
    std::os::unix::fs::symlink(crate::common::env::remote_binary(), &link).expect("a link");
    let mut command = env.command("remote.workspace.create");
    let made = command
        .args(["--name", "alpha", "--size", "1gb"])
        .output()
        .expect("run");
    assert!(made.status.success(), "{made:?}");
    let aliases = env.ok(&["aliases", "bash"]).stdout;
    assert!(
        aliases.contains("function remote.workspace.create {"),
        "{aliases}"
    );
    let mut command = env.remote(&["--", "remote", "workspace", "delete", ""]);
    command
        .env("COMPLETE", "bash")
        .env("_CLAP_COMPLETE_INDEX", "3")
        .env("_CLAP_IFS", "\n");
    let told = command.output().expect("run");
    let told = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.lines().any(|l| l == "alpha"), "{told}");
}
