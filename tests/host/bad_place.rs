//! Places where a session can hardly live: a full disk, a home that cannot be written, a long path.

use crate::agents::{answers, sh};
use crate::common::env::TestEnv;
use crate::common::process::run;
use crate::common::terminal::USUAL;
use crate::common::{SOON, await_some};

/// Everything happens in a mount namespace of its own, which ends with its last process: a small disk under
/// the sessions' directory, which needs no right but that to a namespace.
#[test]
fn a_full_disk_stops_the_history_and_not_the_agent() {
    let env = TestEnv::new();
    let go = env.work().join("go");
    let state = env.home().join(".local/state");
    std::fs::create_dir_all(&state).expect("the state directory");
    // Four megabytes, and an agent that prints eight and then answers.
    let agent = sh(
        "stty -echo; head -c 8000000 /dev/zero | tr '\\0' 'y' | fold -w 79; \
                    printf 'STILL''-HERE\\n'; while read -r x; do printf 'got %s\\n' \"$x\"; done",
    );
    let script = format!(
        "mount -t tmpfs -o size=4m small {state} || exit 99\n\
         remote dispatch --detach --command {agent} || exit 98\n\
         remote wait --timeout 300ms --all; \n\
         for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do\n\
           remote send session-/1 hello --enter; sleep 0.5\n\
           remote status --json session- > {go}.json; cat {go}.json | grep -qi 'no space' && break\n\
         done\n\
         echo STATUS; cat {go}.json; echo LOGS; remote logs --plain session-/1 | tail -n 3\n\
         echo SCREEN; remote status session-; remote terminate --all --yes; echo ENDED $?",
        state = state.display(),
        agent = shell_words::quote(&agent),
        go = go.display(),
    );
    let mut command = env.command("unshare");
    if rustix::process::getuid().is_root() {
        command.arg("-m");
    } else {
        command.arg("-Urm");
    }
    command.args(["sh", "-c", &script]);
    let ran = run(&mut command, b"", 3 * SOON);
    assert_eq!(ran.code, 0, "{}", ran.all());
    let text = ran.all();
    assert!(
        text.to_lowercase().contains("no space left"),
        "status says why:\n{text}"
    );
    assert!(text.contains("ENDED 0"), "it ends as any other:\n{text}");
    env.await_no_process();
}

#[test]
fn a_home_that_cannot_be_written() {
    let mut env = TestEnv::new();
    let file = env.work().join("file");
    std::fs::write(&file, "").expect("a file");
    // A file where a directory should be: nobody, root neither, can write below it.
    env.set("XDG_STATE_HOME", file.to_string_lossy());
    let ran = env.run(&["dispatch", "--detach", "--command", &answers()]);
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(
        ran.stderr.contains(&*file.to_string_lossy()),
        "{}",
        ran.all()
    );
}

#[test]
fn a_path_too_long_for_a_socket() {
    let mut env = TestEnv::new();
    let deep = env.work().join("d".repeat(60)).join("e".repeat(60));
    std::fs::create_dir_all(&deep).expect("a deep directory");
    env.set("XDG_STATE_HOME", deep.to_string_lossy());
    let session = env.dispatch(&["--command", &answers()]);
    let path = deep
        .join("remote/sessions")
        .join(&session)
        .join("endpoint.json");
    await_some("the endpoint", SOON, || path.exists().then_some(()));
    let mut t = env.attach(&session, USUAL);
    t.wait_text("READY");
    t.send("one\r");
    t.wait_text("got one");
}

#[test]
fn a_directory_that_is_gone() {
    let env = TestEnv::new();
    let session = env.dispatch(&["--command", &answers()]);
    let mut t = env.attach(&session, USUAL);
    t.wait_text("READY");
    // The agent's own directory is taken away under it; the session is not in it.
    std::fs::remove_dir_all(env.work()).expect("remove the working directory");
    t.send("one\r");
    t.wait_text("got one");
    std::fs::create_dir_all(env.work()).expect("make it again");
}

#[test]
fn files_of_an_agent_have_the_modes_its_user_would_give_them() {
    let env = TestEnv::new();
    let script = format!(
        "umask 027; exec {} dispatch --command 'umask; touch made; stat -c %a made'",
        env.remote::<&str>(&[]).get_program().to_string_lossy()
    );
    let mut sh = env.command("/bin/sh");
    sh.args(["-c", &script]);
    let ran = run(&mut sh, b"", SOON);
    assert_eq!(ran.code, 0, "{}", ran.all());
    assert!(ran.stdout.contains("0027"), "{}", ran.all());
    assert!(ran.stdout.contains("640"), "{}", ran.all());
    env.await_no_process();
}
