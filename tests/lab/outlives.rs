//! What outlives a machine: after each kind of end the next machine finds its volume in order and what was synced as
//! it was; and a volume that is pulled out is told of, and ends its session. In boxes in a check, in VMs in a soak.

use aws_sdk_ec2::types::InstanceStateName;
use remote_compute::model::{EndKind, Ends};
use remote_compute::proto::{Op, Outcome};

use crate::common::{SOON, await_true};
use crate::guest::{await_state, device};
use crate::harness::{Lab, Machines};
use crate::person::{dispatch, patiently, slowness};
use crate::rented::{Rented, Wish, epoch_seconds};

/// Run as the agent: files of each kind, and a repository with work that is not committed.
const MAKE: &str = r#"set -e; cd ~; mkdir -p kinds/deep; cd kinds
echo text >plain; chmod 640 plain; ln -s plain link; ln plain hard; mkfifo pipe; printf x >deep/"odd $(printf '\001\n') name"
truncate -s 5M hole; echo end >>hole; head -c 3000000 /dev/urandom >noise; mkdir -m 2770 shared; touch -d @1000000000 old
python3 -c 'import os; os.setxattr("plain", "user.note", b"kept")'
git init -q ../r; cd ../r; git config user.email a@b; git config user.name a; echo one >f; git add f; git commit -qm one
git checkout -qb side; echo two >f; git commit -qam two; echo staged >g; git add g; echo loose >>f; echo new >h
echo row >/work/data/db; "#;

/// Run as root: all of it in one number, times, owners, modes, links, attributes and git's own state with it.
const STATE: &str = r#"cd /work && { find home/kinds home/r home/more* data -printf '%p %y %m %U:%G %s %l %n %T@\n' | sort
find home/kinds home/r home/more* data -type f -print0 | sort -z | xargs -0 sha256sum
python3 -c 'import os; print(os.listxattr("home/kinds/plain"), os.getxattr("home/kinds/plain", "user.note"))'
git config --global --add safe.directory '*'
cd home/r && git --no-optional-locks status --porcelain=v2 --branch && git for-each-ref && git fsck --full --strict 2>&1; } | sha256sum"#;

/// As a power cut: the file system writes nothing more, not even what it has in memory.
const CUT: &str = r#"python3 -c 'import fcntl, os, struct
fcntl.ioctl(os.open("/work", os.O_RDONLY), 0x8004587D, struct.pack("I", 2))'"#;

fn wish() -> Wish {
    Wish::default()
}

impl Rented {
    fn root_shell(&self, script: &str) -> String {
        let ran = self.ssh(
            "user",
            crate::rented::LOGIN,
            "sudo -n sh",
            script.as_bytes(),
        );
        assert_eq!(ran.code, 0, "{script}: {}", ran.all());
        ran.stdout.trim().to_owned()
    }

    fn state(&self) -> String {
        self.root_shell(STATE)
    }

    /// Another machine, on which the volume is as it was left: what `e2fsck` said of it.
    async fn again(self, state: &str, what: &str) -> Self {
        let next = self.next(&wish()).await;
        let device = device(&next.volume);
        await_true("the device", SOON * slowness(), || {
            next.ssh(
                "user",
                crate::rented::LOGIN,
                &format!("test -b {device}"),
                b"",
            )
            .code
                == 0
        });
        let recovers = format!("dumpe2fs -h {device} 2>/dev/null | grep -c needs_recovery || :");
        let recovers = next.root_shell(&recovers) != "0";
        assert_eq!(
            recovers,
            what == "a power cut",
            "{what}: a journal to replay"
        );
        next.root(&format!("mount {}", next.volume));
        assert_eq!(next.state(), state, "{what}");
        eprintln!(
            "soak: all is as it was after {what} ({:?})",
            next.lab.machines
        );
        next
    }

    async fn is_over(&self) {
        await_state(&self.ec2, &self.id, InstanceStateName::Terminated).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_synced_is_the_same_on_the_next_machine_whatever_ended_this_one() {
    let first = Rented::ready(&wish()).await;
    let endpoint = first.dispatch(Ends::default(), &[&format!("{MAKE} echo made; exec cat")]);
    await_true("the agent's files", SOON * slowness(), || {
        first.output(&endpoint, 1).contains("made")
    });
    let full = first.status(&endpoint).await;
    let used = full.volume.expect("a rented machine has one");
    assert!(used.used > 3_000_000 && used.used < used.size, "{used}");
    let state = first.state();
    let ended = first
        .ask(
            &endpoint,
            Op::Terminate {
                why: "asked".into(),
            },
        )
        .await;
    assert_eq!(ended, Outcome::Done);
    first.is_over().await;

    let second = first.again(&state, "an orderly end").await;
    // Its host ends it at its time.
    let deadline = epoch_seconds() + u64::from(6 * slowness());
    let ends = Ends {
        deadline: Some(deadline * 1000),
        ..Ends::default()
    };
    let endpoint = second.dispatch(ends, &["echo more >~/more.2; echo made; exec cat"]);
    await_true("more", SOON, || {
        second.output(&endpoint, 1).contains("made")
    });
    let state = second.state();
    second.is_over().await;

    let third = second.again(&state, "its TTL").await;
    let endpoint = third.dispatch(
        Ends::default(),
        &["echo more >~/more.3; echo made; exec cat"],
    );
    await_true("more", SOON, || third.output(&endpoint, 1).contains("made"));
    let state = third.state();
    third.lab.control().interrupt(&third.id, 120);
    third.is_over().await;

    let fourth = third.again(&state, "a spot interruption").await;
    let writes = "echo more >~/more.4; sync; echo made; n=0; \
        while :; do n=$((n + 1)); mkdir -p ~/w/$n; echo $n >~/w/$n/f; rm -rf ~/w/$((n - 20)); done";
    let endpoint = fourth.dispatch(Ends::default(), &[writes, writes]);
    await_true("more", SOON * slowness(), || {
        fourth.output(&endpoint, 1).contains("made") && fourth.output(&endpoint, 2).contains("made")
    });
    let state = fourth.state();
    // A box has this machine's kernel, which writes all down when a box is gone: not then.
    if fourth.lab.machines == Machines::Box {
        fourth.root_shell(CUT);
    }
    fourth.lab.control().kill(&fourth.id, "power");
    fourth.is_over().await;

    let fifth = fourth.again(&state, "a power cut").await;
    let check = format!(
        "remote-root unmount && e2fsck -fn {} >&2 && echo clean",
        device(&fifth.volume)
    );
    assert_eq!(
        fifth.root_shell(&format!("PATH=$PATH:/usr/local/sbin:/usr/sbin; {check}")),
        "clean"
    );
}

/// Its volume goes while the agent writes.
async fn pulled_out(how: &str) {
    let rented = Rented::ready(&wish()).await;
    let writes =
        "n=0; while :; do n=$((n + 1)); echo $n >~/file.$((n % 9)); sleep 0.05; done; exec cat";
    let endpoint = rented.dispatch(Ends::default(), &[writes]);
    assert_eq!(rented.status(&endpoint).await.ended, None);
    let machine = rented.lab.machines;
    match how {
        "an error" if machine == Machines::Vm => {
            let name = rented.root_shell("basename $(findmnt -no SOURCE /work)");
            rented.root_shell(&format!(
                "echo pulled >/sys/fs/ext4/{name}/trigger_fs_error"
            ));
        }
        "an error" => {
            // The kernel is this machine's, and a box may not write there.
            let name = rented.root_shell("basename $(findmnt -no SOURCE /work)");
            let trigger = format!("echo pulled >/sys/fs/ext4/{name}/trigger_fs_error");
            let mut sh = crate::harness::as_root("sh".as_ref());
            assert!(sh.args(["-c", &trigger]).status().expect("sh").success());
        }
        _ => drop(rented.root_shell(CUT)),
    }
    let begun = std::time::Instant::now();
    let told = rented.follow_to_the_end(&endpoint).await;
    eprintln!("{how}: told after {:.1} s", begun.elapsed().as_secs_f32());
    let ended = told.ended.clone().expect("an end");
    assert_eq!(ended.kind, EndKind::Interrupted, "{told:?}");
    assert!(ended.why.contains("its work volume is gone"), "{told:?}");
    assert!(told.warnings.contains(&ended.why), "{told:?}");
    rented.ends().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_pulled_out_is_told_of_and_ends_the_session() {
    pulled_out("pulled out").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_became_read_only_is_told_of_and_ends_the_session() {
    pulled_out("an error").await;
}

#[test]
fn an_agents_setup_that_kept_to_its_home_is_reused_until_it_is_to_be_fresh() {
    let lab = Lab::start(Machines::Box);
    let env = lab.device();
    let config = env.home().join(".config/remote");
    std::fs::create_dir_all(&config).expect("made");
    let install = "echo run >>~/runs; mkdir -p ~/.local/bin; printf '#!/bin/sh\\nexec sleep 1000\\n' >~/.local/bin/tool; chmod 755 ~/.local/bin/tool";
    let text = format!("[agents.tool]\ncommand = [\"tool\"]\nsetup = '''{install}'''\n");
    std::fs::write(config.join("config.toml"), text).expect("written");
    let session = dispatch(&env, &["--agent", "tool", "--no-repo", "one"]);
    let more = |words: &[&str]| {
        let mut all = vec![
            "dispatch", "--detach", "--into", &session, "--agent", "tool",
        ];
        all.extend(words);
        let ran = patiently(&env, &all);
        assert_eq!(ran.code, 0, "{}", ran.all());
        ran.stderr
    };
    let told = more(&["two"]);
    let reused = told.lines().find(|l| l.contains("reused from the volume"));
    assert!(
        reused.is_some_and(|l| l.contains("setup") && l.contains("tool")),
        "{told}"
    );
    assert!(!more(&["--fresh-setup", "three"]).contains("reused"));
    let runs = patiently(&env, &["ssh", &session, "sudo cat /home/agent/runs"]);
    assert_eq!(runs.stdout.lines().count(), 2, "{}", runs.all());
    env.ok(&["terminate", &session, "--yes"]);
}
