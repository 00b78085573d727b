//! What outlives a machine: after each kind of end the next machine finds its volume in order and what was synced as
//! it was; and a volume that is pulled out is told of, and ends its session. In boxes in a check, in VMs in a soak.

use aws_sdk_ec2::types::InstanceStateName;
use remote_compute::model::{EndKind, Ends};

use crate::common::env::TestEnv;
use crate::common::process::run;
use crate::common::{SOON, await_true};
use crate::guest::BOOT;
use crate::harness::{Lab, Machines, as_root};
use crate::person::{LONG, await_instance, box_or_vm, dispatch, instance_of, json_of, patiently};
use crate::rented::{Rented, Wish};

/// Run as the agent: files of each kind, and a repository with work that is not committed.
const MAKE: &str = r#"set -e; cd ~; mkdir -p kinds/deep; cd kinds
echo text >plain; chmod 640 plain; ln -s plain link; ln plain hard; mkfifo pipe; printf x >deep/"odd $(printf '\001\n') name"
truncate -s 5M hole; echo end >>hole; head -c 3000000 /dev/urandom >noise; mkdir -m 2770 shared; touch -d @1000000000 old
sha256sum plain deep/odd* hole noise old >../sum; sync -f .
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
}

/// A person who dispatches on one workspace again and again.
struct OnOne {
    lab: Lab,
    env: TestEnv,
}

impl OnOne {
    fn dispatch(&self, more: &[&str], work: &str) -> String {
        let on = [
            "--workspace",
            "alpha",
            "--no-repo",
            "--instance",
            "m6i.large",
        ];
        let session = dispatch(&self.env, &[&on[..], more, &["--command", work]].concat());
        await_true("the agents' files", BOOT, || {
            let logs = self.env.ok(&["logs", &session]).stdout;
            logs.matches("made").count() > usize::from(!more.is_empty())
        });
        session
    }

    fn root(&self, session: &str, script: &str) -> String {
        let mut ssh = self.env.remote(&["ssh", session, "--", "sudo", "sh"]);
        let ran = run(&mut ssh, script.as_bytes(), LONG);
        assert_eq!(ran.code, 0, "{script}: {}", ran.all());
        ran.stdout.trim().to_owned()
    }

    /// Waits for the machine's end. Then, with none running, what is on the volume's blocks; then the next machine, on
    /// which all is as it was.
    fn over(&self, instance: &str, state: &str, what: &str) -> (String, String) {
        await_instance(&self.lab, instance, &InstanceStateName::Terminated);
        let sum = patiently(&self.env, &["workspace", "cat", "alpha", "/home/sum"]);
        assert_eq!(sum.code, 0, "{what}: {}", sum.all());
        let out = self.env.home().join("out");
        let to = out.to_string_lossy();
        let from = ["workspace", "export", "alpha", "/home/kinds", "-o", &to];
        let told = patiently(&self.env, &from);
        assert_eq!(told.code, 0, "{what}: {}", told.all());
        let mut check = self.env.command("sh");
        check
            .args(["-c", "cd out && sha256sum --check -", "sh"])
            .current_dir(self.env.home());
        let checked = run(&mut check, sum.stdout.as_bytes(), SOON);
        assert_eq!(checked.code, 0, "{what}: {}", checked.all());
        std::fs::remove_dir_all(&out).expect("removed");

        let session = self.dispatch(&[], "echo made; exec cat");
        assert_eq!(self.root(&session, STATE), state, "{what}");
        eprintln!(
            "soak: all is as it was after {what} ({:?})",
            self.lab.machines
        );
        let instance = instance_of(&self.env, &session);
        (session, instance)
    }
}

#[test]
fn a_workspace_is_the_same_with_the_next_machine_whatever_ended_this_one() {
    let lab = Lab::start(box_or_vm());
    let env = lab.device();
    env.ok(&["workspace", "create", "--name", "alpha", "--size", "2gb"]);
    let on = OnOne { lab, env };
    let env = &on.env;
    let session = on.dispatch(&[], &format!("{MAKE} echo made; exec cat"));
    let state = on.root(&session, STATE);
    let instance = instance_of(env, &session);
    env.ok(&["terminate", &session, "--yes"]);

    let (session, instance) = on.over(&instance, &state, "an orderly end");
    let deadline = "remote-root deadline $(($(date +%s) + 5))";
    on.root(&session, &format!("PATH=$PATH:/usr/local/sbin; {deadline}"));

    let (_, instance) = on.over(&instance, &state, "its TTL");
    on.lab.control().interrupt(&instance, 120);

    let (session, instance) = on.over(&instance, &state, "a spot interruption");
    env.ok(&["terminate", &session, "--yes"]);
    await_instance(&on.lab, &instance, &InstanceStateName::Terminated);
    let writes = "echo more >>~/more.$REMOTE_AGENT; sync -f ~; echo made; n=0; \
        while :; do n=$((n + 1)); mkdir -p ~/w/$n; echo $n >~/w/$n/f; rm -rf ~/w/$((n - 20)); done";
    let session = on.dispatch(&["--agents", "2"], writes);
    let instance = instance_of(env, &session);
    let state = on.root(&session, STATE);
    // A box has this machine's kernel, which writes all down when a box is gone: not then.
    if on.lab.machines == Machines::Box {
        on.root(&session, CUT);
    }
    on.lab.control().kill(&instance, "power");
    let (session, instance) = on.over(&instance, &state, "a power cut amid writes");
    env.ok(&["discard", &session, "--yes"]);
    await_instance(&on.lab, &instance, &InstanceStateName::Terminated);

    // The file system on the volume, from outside.
    let disks = on.lab.state.join("disks");
    let id = json_of(&env.ok(&["workspace", "list", "--json"]))[0]["id"].clone();
    let disk = disks.join(format!("{}.raw", id.as_str().expect("an id")));
    let mut fsck = as_root("e2fsck".as_ref());
    let checked = run(fsck.arg("-fn").arg(disk), b"", LONG);
    assert_eq!(checked.code, 0, "{}", checked.all());
    env.ok(&["workspace", "delete", "alpha", "--yes", "alpha"]);
}

/// Its volume goes while the agent writes.
async fn pulled_out(how: &str) {
    let rented = Rented::ready(&wish()).await;
    let writes =
        "n=0; while :; do n=$((n + 1)); echo $n >~/file.$((n % 9)); sleep 0.05; done; exec cat";
    let endpoint = rented.dispatch(Ends::default(), &[writes]);
    assert_eq!(rented.status(&endpoint).await.ended, None);
    let watch = rented.watch(&endpoint).await;
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
    let told = watch.ended().await;
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
