//! User-data judged by cloud-init's own code: its schema, and what its reader makes of hostile values.

use std::process::Command;
use std::time::Duration;

use remote_compute::model::SessionId;

use crate::common::process::{Ran, run};
use crate::guest::Keys;
use crate::harness::{as_root, paths};
use crate::rented::{Wish, user_data};

/// A Python program with the image's cloud-init, in the image's tree; user-data on its standard input.
fn judge(program: &str, user_data: &[u8]) -> Ran {
    let mut command = as_root("chroot".as_ref());
    command.arg(paths().1.join("root"));
    command.args(["/usr/bin/python3", "-B", "-c", program]);
    run(&mut command, user_data, Duration::from_secs(60))
}

fn rendered(change: impl FnOnce(&mut Keys)) -> Vec<u8> {
    let mut keys = Keys::new();
    change(&mut keys);
    let session: SessionId = "session-abc234".parse().expect("a name");
    user_data(&keys, &session, 1_900_000_000_000, &Wish::default())
}

#[test]
fn cloud_inits_own_schema_takes_it() {
    let program = "
import sys
from cloudinit import util
from cloudinit.config.schema import validate_cloudconfig_schema as validate, get_schema
text = util.decomp_gzip(sys.stdin.buffer.read(), quiet=False)
assert text.startswith('#cloud-config\\n'), text[:80]
config = util.load_yaml(text)
validate(config, get_schema(), strict=True, strict_metaschema=True)
try:
    validate({**config, 'runcmd': 5}, get_schema(), strict=True)
    print('takes anything')
except Exception:
    print('taken')
";
    let ran = judge(program, &rendered(|_| {}));
    assert_eq!((ran.code, ran.stdout.trim()), (0, "taken"), "{}", ran.all());
}

#[test]
fn its_reader_and_its_shell_give_back_what_was_put_in() {
    let hostile = "d\"ev'; touch /x; $(id) `id` #: {a: [b]} é 日本 \u{1f600} \u{a0} \\n \\U0001f600 @LOGIN@ %s ]]> --";
    let data = rendered(|keys| {
        let key = keys.text("user.pub");
        let body: Vec<&str> = key.split(' ').take(2).collect();
        let line = format!("{} {hostile}\n", body.join(" "));
        std::fs::write(keys.path("user.pub"), line).expect("written");
    });
    // The shell's words, as cloud-init quotes them, by a real shell.
    let program = "
import subprocess, sys
from cloudinit import util
config = util.load_yaml(util.decomp_gzip(sys.stdin.buffer.read(), quiet=False))
words = config['bootcmd'][0]
script = util.shellify([['printf', '%s\\\\0', *words]])
told = subprocess.run(['sh'], input=script.encode(), capture_output=True).stdout.decode().split('\\0')[:-1]
assert told == words, 'a shell changes the words'
print(config['users'][1]['ssh_authorized_keys'][0].split(' ', 2)[2])
sys.stdout.flush()
subprocess.run(['sh', '-n'], input=words[2].encode(), check=True)
";
    let mut command = program.to_owned();
    command.insert_str(0, "import sys; sys.stdout.reconfigure(encoding='utf-8')\n");
    let ran = judge(&command, &data);
    assert_eq!((ran.code, ran.stdout.trim()), (0, hostile), "{}", ran.all());
}

#[test]
fn its_scripts_are_plain_shell() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/cloud-init");
    for shell in [&["dash"][..], &["bash", "--posix"], &["busybox", "sh"]] {
        for script in ["remote-root", "remote-eic", "boot.sh"] {
            let mut check = Command::new(shell[0]);
            check
                .args(&shell[1..])
                .arg("-n")
                .arg(format!("{root}/{script}"));
            let ran = run(&mut check, b"", Duration::from_secs(20));
            assert_eq!(ran.code, 0, "{shell:?} {script}: {}", ran.all());
        }
    }
}
