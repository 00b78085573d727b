//! The program in root trees that have next to nothing: no C library of ours, no locale, no shell worth its name.

use std::time::Duration;

use crate::common::env::remote_binary;
use crate::common::process::run;
use crate::harness::{as_root, paths};

#[test]
fn it_starts_in_bare_debian_glibc_musl_and_busybox_trees() {
    for name in ["debian", "glibc", "musl", "busybox"] {
        let tree = paths().1.join("bare").join(name);
        // A copy for each run: another test binary may be looking at the same tree.
        let program = format!("remote-{}", std::process::id());
        let mut script = as_root("sh".as_ref());
        script
            .args(["-ec", r#"cp "$1" "$2/tmp/$3"; trap 'rm -f "$2/tmp/$3"' EXIT; chroot "$2" "/tmp/$3" --version; chroot "$2" /bin/sh -c "/tmp/$3 dispatch --help >/dev/null""#, "sh"])
            .arg(remote_binary())
            .arg(&tree)
            .arg(&program);
        let ran = run(&mut script, b"", Duration::from_secs(60));
        assert_eq!(ran.code, 0, "{name}: {}", ran.all());
        assert!(ran.stdout.starts_with("remote "), "{name}: {}", ran.all());
    }
}
