//! The whole promise on a machine of one's own: see tests/common/promise.rs.

use crate::common::SOON;
use crate::common::await_true;
use crate::common::env::TestEnv;
use crate::common::promise::Promise;
use crate::common::sshd::{Sshd, SshdOptions};

#[test]
fn a_task_outlives_its_laptop_and_is_finished_from_another() {
    let server = TestEnv::new();
    let sshd = Sshd::start(&SshdOptions::home(server.home()));
    let (laptop, mut other) = (TestEnv::new(), TestEnv::new());
    for device in [&laptop, &other] {
        device.use_sshd(&sshd, sshd.port);
    }
    // All that the other device knows is the way to the machine.
    other.set("REMOTE_PROVIDER", "ssh");
    other.set("REMOTE_HOST", "box");
    let promise = Promise {
        laptop: &laptop,
        other: &other,
        how: &["--host", "box"],
        check: "make test",
        patience: 2 * SOON,
    };
    let (session, _) = promise.keep();
    await_true("its end", SOON, || {
        let last = server.last(&session);
        last.is_some_and(|l| l.ended.is_some())
    });
    server.await_no_process();
    let listed = other.ok(&["status"]).stdout;
    assert!(!listed.contains(&session), "{listed}");
}
