//! What every provider promises, written once and run over all of them: `local`, `ssh` on a real sshd, `ec2` on
//! boxes. Where they differ by their nature is said as data in [`Can`].

use std::any::Any;
use std::path::PathBuf;
use std::sync::Arc;

use remote_compute::client::dial::{OverSsh, dial_pinned};
use remote_compute::model::SessionId;
use remote_compute::provision::ec2::Ec2;
use remote_compute::provision::{
    Binaries, Compute, Endpoint, Keys, Launch, Local, Login, MachineState, MachineWish,
    PinnedLogin, ProvisionError, Shelf, SshHost,
};
use remote_compute::ssh::{Flow, Nobody, keys};
use russh::keys::ssh_key::LineEnding;

use crate::common::env::{TestEnv, remote_binary, user};
use crate::common::sshd::{Sshd, SshdOptions};
use crate::ec2_box::OverOwnSsh;
use crate::ec2_world::{World, spec, wish};
use crate::harness::{Lab, Machines};

/// Makes of a launch one that cannot be.
type Spoil = fn(&mut Launch);

/// Where providers differ.
struct Can {
    /// A machine can be stopped and started.
    stop: bool,
    /// The host of a session that is over can be started again, for its files.
    revive: bool,
    /// An hour of what [`Provider::launch`] asks for, in micro-dollars.
    price: u64,
    /// Launches that cannot be, and what is said of them.
    refuse: Vec<(Spoil, &'static str)>,
}

/// A provider under test, with all that it stands on.
struct Provider {
    name: &'static str,
    compute: Box<dyn Compute>,
    can: Can,
    wish: Option<MachineWish>,
    /// A directory that is there on its machines.
    cwd: PathBuf,
    /// What it stands on, dropped after it.
    _ground: Vec<Box<dyn Any>>,
}

impl Provider {
    fn launch(&self, command: &str) -> Launch {
        let mut spec = spec(command);
        spec.provider = self.name.to_owned();
        spec.price_microusd_per_hour = self.can.price;
        for agent in &mut spec.agents {
            agent.cwd.clone_from(&self.cwd);
        }
        let text = || keys::generate_ed25519().to_openssh(LineEnding::LF);
        let key = || text().expect("a key").to_string();
        Launch {
            again: None,
            spec,
            keys: (self.name == "local").then(|| Keys {
                host: key(),
                client: key(),
            }),
            wish: self.wish.clone(),
        }
    }

    async fn state(&self, session: &SessionId) -> MachineState {
        self.compute.describe(session).await.expect("it").state
    }

    /// The sessions that are not over.
    async fn alive(&self) -> Vec<SessionId> {
        let listed = self.compute.list().await.expect("a list");
        let alive = listed.into_iter().filter(|m| m.state != MachineState::Gone);
        alive.map(|m| m.session).collect()
    }
}

fn local() -> Provider {
    let home = TestEnv::new();
    let sessions = home.sessions_dir();
    Provider {
        name: "local",
        compute: Box::new(Local::running(sessions, remote_binary().to_owned())),
        can: Can {
            stop: false,
            revive: true,
            price: 0,
            refuse: vec![(no_program, "no-such-program"), (no_directory, "/no/such")],
        },
        wish: None,
        cwd: home.work(),
        _ground: vec![Box::new(home)],
    }
}

fn binaries() -> Binaries {
    Binaries {
        given: Some(remote_binary().to_owned()),
        by_system: Default::default(),
        shelf: Shelf::default(),
    }
}

async fn ssh() -> Provider {
    let home = TestEnv::new();
    let sshd = Sshd::start(&SshdOptions::home(home.home()));
    let login = PinnedLogin {
        address: "127.0.0.1".to_owned(),
        address6: None,
        port: sshd.port,
        user: user(),
        host_key: sshd.host_key(),
        identity: sshd.client_key(),
    };
    let connection = dial_pinned(&login, Arc::new(Nobody), Flow::Bulk).await;
    let remote = Arc::new(OverSsh::over("box", connection.expect("in")));
    Provider {
        name: "ssh",
        compute: Box::new(SshHost::new(remote, binaries())),
        can: Can {
            stop: false,
            revive: true,
            price: 0,
            refuse: vec![(no_program, "no-such-program"), (no_directory, "/no/such")],
        },
        wish: None,
        cwd: home.work(),
        _ground: vec![Box::new(home), Box::new(sshd)],
    }
}

async fn ec2() -> Provider {
    let world = World::with(Lab::start(Machines::Box)).await;
    let mut settings = world.settings();
    settings.binaries = binaries();
    let ec2 = Ec2::new(settings, &world.config, Arc::new(OverOwnSsh));
    Provider {
        name: "ec2",
        compute: Box::new(ec2),
        can: Can {
            stop: true,
            revive: false,
            price: 96_000,
            refuse: vec![
                (no_program, "no-such-program"),
                (|l| l.wish = None, "what machine to rent"),
                (|l| of(l).instance_type = "m6i.huge".into(), "m6i.huge"),
                (|l| of(l).image = "windows".into(), "windows"),
                (|l| of(l).zone = Some("us-east-1x".into()), "us-east-1x"),
                (
                    |l| of(l).max_microusd_per_hour = Some(10_000),
                    "at most $0.0100",
                ),
            ],
        },
        wish: Some(wish()),
        cwd: "/work".into(),
        _ground: vec![Box::new(world)],
    }
}

fn of(launch: &mut Launch) -> &mut MachineWish {
    launch.wish.as_mut().expect("a wish")
}

fn no_program(launch: &mut Launch) {
    launch.spec.agents[0].argv = vec!["no-such-program".to_owned()];
}

fn no_directory(launch: &mut Launch) {
    launch.spec.agents[0].cwd = "/no/such".into();
}

#[tokio::test(flavor = "multi_thread")]
async fn local_behaves() {
    behaves(&local()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_behaves() {
    behaves(&ssh().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ec2_behaves() {
    behaves(&ec2().await).await;
}

async fn behaves(p: &Provider) {
    what_is_not_there_is_said_so(p).await;
    what_cannot_be_is_refused_and_leaves_nothing(p).await;
    let (one, other) = (p.launch("sleep 1000"), p.launch("sleep 1000"));
    let (first, second) = tokio::join!(
        p.compute.launch(&one, &|_| {}),
        p.compute.launch(&other, &|_| {})
    );
    let (first, second) = (first.expect("a host"), second.expect("a host"));
    side_by_side_they_are_two(p, (&one, &first), (&other, &second)).await;
    the_same_launch_again_harms_nothing(p, &one, &first).await;
    it_stops_and_starts_where_it_can(p, &one, &first).await;
    one_ends_and_the_other_goes_on(p, &one, (&other, &second)).await;
    p.compute.terminate(&other.spec.id).await.expect("an end");
    assert_eq!(p.alive().await, []);
}

/// Nobody has launched this one.
async fn what_is_not_there_is_said_so(p: &Provider) {
    assert_eq!(p.alive().await, []);
    let nobody: SessionId = "session-nobody".parse().expect("a name");
    let c = &p.compute;
    let said = [
        ("describe", c.describe(&nobody).await.map(drop)),
        ("endpoint", c.endpoint(&nobody).await.map(drop)),
        ("start", c.start(&nobody).await.map(drop)),
        ("terminate", c.terminate(&nobody).await),
    ];
    for (verb, said) in said {
        let is = matches!(&said, Err(ProvisionError::NoSession(id)) if *id == nobody);
        assert!(is, "{} {verb}: {said:?}", p.name);
    }
    let stopped = c.stop(&nobody).await;
    match p.can.stop {
        true => assert!(
            matches!(stopped, Err(ProvisionError::NoSession(_))),
            "{stopped:?}"
        ),
        false => assert!(
            matches!(stopped, Err(ProvisionError::Unsupported(_))),
            "{stopped:?}"
        ),
    }
}

async fn what_cannot_be_is_refused_and_leaves_nothing(p: &Provider) {
    for (spoil, why) in &p.can.refuse {
        let mut launch = p.launch("true");
        spoil(&mut launch);
        let refused = p.compute.launch(&launch, &|_| {}).await;
        let error = remote_compute::error::Error::from(refused.expect_err(why));
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{} {}", error.message, cause.unwrap_or_default());
        assert!(told.contains(why), "{}: {told}", p.name);
        assert_eq!(p.alive().await, [], "{}: {why}", p.name);
    }
}

async fn side_by_side_they_are_two(
    p: &Provider,
    (one, first): (&Launch, &Endpoint),
    (other, second): (&Launch, &Endpoint),
) {
    let mut alive = p.alive().await;
    let mut expected = vec![one.spec.id.clone(), other.spec.id.clone()];
    alive.sort();
    expected.sort();
    assert_eq!(alive, expected, "{}", p.name);
    assert_ne!((&first.login, &first.dir), (&second.login, &second.dir));
    assert_ne!(
        (&first.login, &first.socket),
        (&second.login, &second.socket)
    );
    for (launch, endpoint) in [(one, first), (other, second)] {
        let session = &launch.spec.id;
        let listed = p.compute.list().await.expect("a list");
        let listed: Vec<_> = listed.iter().filter(|m| m.session == *session).collect();
        let described = p.compute.describe(session).await.expect("it");
        assert_eq!(listed, [&described], "{}", p.name);
        assert_eq!(described.state, MachineState::Running);
        assert_eq!(described.launched / 1000, launch.spec.created / 1000);
        assert_eq!(described.rented.is_some(), launch.wish.is_some());
        assert!(endpoint.dir.ends_with(session.as_str()), "{endpoint:?}");
        is_the_same(p, session, endpoint).await;
        let price = p.compute.price(&launch.spec).await.expect("a price");
        assert_eq!(price.microusd_per_hour, p.can.price, "{}", p.name);
        let told = described.rented.map_or(0, |r| r.microusd_per_hour);
        assert_eq!(told, p.can.price);
    }
}

/// Asked anew, it is where it was.
async fn is_the_same(p: &Provider, session: &SessionId, endpoint: &Endpoint) {
    let fresh = p.compute.endpoint(session).await.expect("there");
    assert_eq!(fresh.login, endpoint.login, "{}", p.name);
    assert_eq!(
        (&fresh.dir, &fresh.socket),
        (&endpoint.dir, &endpoint.socket)
    );
    let started = p.compute.start(session).await.expect("it runs already");
    assert_eq!(started.login, endpoint.login, "{}", p.name);
    if let Login::Pinned(login) = &fresh.login {
        assert!(login.host_key.starts_with("ssh-"), "{login:?}");
    }
}

/// As after an answer that was lost: no second machine, and the first is not hurt.
async fn the_same_launch_again_harms_nothing(p: &Provider, launch: &Launch, endpoint: &Endpoint) {
    let before = p.alive().await;
    let again = p.compute.launch(launch, &|_| {}).await;
    assert!(
        matches!(&again, Err(ProvisionError::Exists(id)) if *id == launch.spec.id),
        "{}: {again:?}",
        p.name
    );
    assert_eq!(p.alive().await, before, "{}", p.name);
    assert_eq!(p.state(&launch.spec.id).await, MachineState::Running);
    is_the_same(p, &launch.spec.id, endpoint).await;
}

async fn it_stops_and_starts_where_it_can(p: &Provider, launch: &Launch, endpoint: &Endpoint) {
    let session = &launch.spec.id;
    let stopped = p.compute.stop(session).await;
    if !p.can.stop {
        assert!(
            matches!(stopped, Err(ProvisionError::Unsupported(_))),
            "{stopped:?}"
        );
        assert_eq!(p.state(session).await, MachineState::Running);
        return;
    }
    stopped.expect("stopped");
    while p.state(session).await != MachineState::Stopped {
        tokio::task::yield_now().await;
    }
    let there = p.compute.endpoint(session).await;
    assert!(
        matches!(there, Err(ProvisionError::Stopped(_))),
        "{there:?}"
    );
    let started = p.compute.start(session).await.expect("a host");
    assert_eq!(started.dir, endpoint.dir, "its files are where they were");
    assert_eq!(p.state(session).await, MachineState::Running);
}

async fn one_ends_and_the_other_goes_on(
    p: &Provider,
    one: &Launch,
    (other, second): (&Launch, &Endpoint),
) {
    let session = &one.spec.id;
    for time in ["once", "twice"] {
        p.compute.terminate(session).await.expect(time);
    }
    assert_eq!(p.state(session).await, MachineState::Gone, "still told of");
    let there = p.compute.endpoint(session).await;
    let is = matches!(&there, Err(ProvisionError::NotRunning(id)) if id == session);
    assert!(is, "{}: {there:?}", p.name);
    assert_eq!(p.alive().await, std::slice::from_ref(&other.spec.id));
    is_the_same(p, &other.spec.id, second).await;
    let revived = p.compute.start(session).await;
    if p.can.revive {
        revived.expect("a host for its files");
        p.compute.terminate(session).await.expect("an end");
    } else {
        assert!(
            matches!(revived, Err(ProvisionError::NotRunning(_))),
            "{revived:?}"
        );
    }
}
