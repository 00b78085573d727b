//! The whole way to an agent on a real machine: cloud-init, sshd, our root helper, the uploaded binary.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use remote_compute::client::dial::{OverSsh, dial_pinned};
use remote_compute::provision::ec2::Ec2;
use remote_compute::provision::{
    BoxFuture, Compute, Login, MachineState, PinnedLogin, ProvisionError, Ran, Reach, ReachError,
    Remote,
};
use remote_compute::ssh::{Flow, Nobody, Retry, SshErrorKind, keys};
use serde_json::json;
use tokio::io::AsyncRead;

use crate::common::env::remote_binary;
use crate::ec2_world::{Steps, World, launch, wish};
use crate::harness::{Lab, Machines};

/// Our own SSH.
pub struct OverOwnSsh;

impl Reach for OverOwnSsh {
    fn reach<'a>(
        &'a self,
        login: &'a PinnedLogin,
    ) -> BoxFuture<'a, Result<Arc<dyn Remote>, ReachError>> {
        Box::pin(async move {
            let dialled = dial_pinned(login, Arc::new(Nobody), Flow::Bulk).await;
            let connection = dialled.map_err(|e| ReachError {
                wait: e.retry() != Retry::Never,
                stranger: e.kind == SshErrorKind::Auth,
                message: e.to_string(),
            })?;
            Ok(Arc::new(OverSsh::over(&login.address, connection)) as Arc<dyn Remote>)
        })
    }
}

/// Our own SSH, whose line is cut before the answer to `rotate` is here.
struct CutOff;

struct CutOffTalk(Arc<dyn Remote>);

impl Reach for CutOff {
    fn reach<'a>(
        &'a self,
        login: &'a PinnedLogin,
    ) -> BoxFuture<'a, Result<Arc<dyn Remote>, ReachError>> {
        Box::pin(async move {
            let remote = OverOwnSsh.reach(login).await?;
            Ok(Arc::new(CutOffTalk(remote)) as Arc<dyn Remote>)
        })
    }
}

impl Remote for CutOffTalk {
    fn run<'a>(
        &'a self,
        command: &'a str,
        stdin: Box<dyn AsyncRead + Send + Unpin>,
    ) -> BoxFuture<'a, io::Result<Ran>> {
        Box::pin(async move {
            let ran = self.0.run(command, stdin).await?;
            match command.contains("remote-root rotate") {
                true => Err(io::ErrorKind::ConnectionReset.into()),
                false => Ok(ran),
            }
        })
    }

    fn destination(&self) -> &str {
        self.0.destination()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_key_whose_change_was_not_heard_of_is_read_from_the_console() {
    let world = World::with(Lab::start(Machines::Box)).await;
    let mut settings = world.settings();
    settings.binaries.given = Some(remote_binary().to_owned());
    let cut = Ec2::new(settings.clone(), &world.config, Arc::new(CutOff));
    let launch = launch(wish());
    // The client is gone as well: nothing is taken back.
    for action in ["TerminateInstances", "ModifyInstanceAttribute"] {
        let code = "InvalidParameterValue";
        let fault =
            json!({"action": action, "kind": "before", "code": code, "status": 400, "count": 0});
        world.control.fault(&fault);
    }
    let lost = cut.launch(&launch, &|_| {}).await;
    assert!(matches!(lost, Err(ProvisionError::Left { .. })), "{lost:?}");
    world.control.post("clear", &json!({}));
    let session = &launch.spec.id;
    let tagged = cut.describe(session).await.expect("it").rented;
    assert!(
        tagged.expect("rented").provisional,
        "the tag has the old key"
    );

    let ec2 = Ec2::new(settings, &world.config, Arc::new(OverOwnSsh));
    let endpoint = ec2.start(session).await.expect("a host");
    let asked = world.actions().iter().any(|a| a == "ec2:GetConsoleOutput");
    assert!(asked, "{:?}", world.actions());
    let Login::Pinned(login) = &endpoint.login else {
        panic!("{endpoint:?}");
    };
    OverOwnSsh
        .reach(login)
        .await
        .expect("in, with the key from the console");
    let tagged = ec2.describe(session).await.expect("it").rented;
    let tagged = tagged.expect("rented");
    assert_eq!(tagged.login.as_ref(), Some(login), "and the tag has it now");
    ec2.terminate_machine(session, true).await.expect("an end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_machine_is_handed_over() {
    let world = World::with(Lab::start(Machines::Box)).await;
    let mut settings = world.settings();
    settings.binaries.given = Some(remote_binary().to_owned());
    let ec2 = Ec2::new(settings.clone(), &world.config, Arc::new(OverOwnSsh));
    let (launch, steps) = (launch(wish()), Steps::default());
    let session = &launch.spec.id;
    let begun = Instant::now();
    let endpoint = ec2.launch(&launch, &steps.tell()).await.expect("a host");
    eprintln!("{:.1} s: {:?}", begun.elapsed().as_secs_f32(), steps.told());
    let Login::Pinned(login) = &endpoint.login else {
        panic!("{endpoint:?}");
    };
    let fresh = ec2.endpoint(session).await.expect("there");
    assert_eq!(fresh.login, endpoint.login);
    assert_eq!(
        (&fresh.dir, &fresh.socket),
        (&endpoint.dir, &endpoint.socket)
    );
    let remote = OverOwnSsh.reach(login).await.expect("in");
    let ask = format!("{} host endpoint {session}", fresh.binary);
    let ran = remote
        .run(&ask, Box::new(tokio::io::empty()))
        .await
        .expect("an answer");
    assert_eq!(ran.status, 0, "{}", String::from_utf8_lossy(&ran.stderr));

    // Once more from the outside in: all of it can be done again.
    let again = ec2.start(session).await.expect("a host");
    assert_eq!(again.login, endpoint.login);

    // Another device, with nothing but the account: shown by AWS, then known to the machine itself.
    let mut other = world.device.clone();
    let key = keys::generate_ed25519();
    other.identity.set_file_name("other");
    keys::save(&other.identity, &key).expect("a key");
    other.public_key = keys::public_line(&key);
    other.name = "chromebook".to_owned();
    let mut theirs = settings;
    theirs.device = other;
    let theirs = Ec2::new(theirs, &world.config, Arc::new(OverOwnSsh));
    let in_there = theirs.start(session).await.expect("in");
    let Login::Pinned(known) = &in_there.login else {
        panic!("{in_there:?}");
    };
    assert_eq!(known.host_key, login.host_key);
    world.control.post("set", &json!({ "key_seconds": 0 }));
    OverOwnSsh.reach(known).await.expect("in, with its own key");

    let kept = ec2.terminate_machine(session, false).await.expect("an end");
    assert!(kept.volume.is_some());
    let after = ec2.describe(session).await.expect("its volume");
    assert_eq!(after.state, MachineState::Gone);
}
