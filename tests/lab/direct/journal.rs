//! Volumes that were snapshot amid their use: what the kernel had promised is in the journal, and has to be read
//! from there. The kernel itself is the judge.

use std::fs;
use std::path::Path;
use std::time::Duration;

use remote_compute::workspace::ext4::{Ext4, Ext4Files, FileDisk};

use super::world::{Direct, FEATURES, assert_same_in, exported, mkfs};
use crate::common::process::run;
use crate::harness::as_root;

/// Mounts $1 at $2 in a namespace of its own, runs $4 there, and copies the image, mounted as it is, to $3. What the
/// kernel makes of that copy goes to $3.truth.
const AMID: &str = r#"
set -eu
mount --make-rprivate /
mkdir -p "$2" "$3.truth" "$3.mnt"
mount -o "loop,noatime$5" "$1" "$2"
(cd "$2" && eval "$4")
sync
cp --sparse=always "$1" "$3"
umount "$2"
cp --sparse=always "$3" "$3.copy"
mount -o loop,noatime "$3.copy" "$3.mnt"
cp -a "$3.mnt/." "$3.truth/"
umount "$3.mnt"
e2fsck -fn "$3.copy" >/dev/null
"#;

/// A volume amid `script`: the copy, and what the kernel sees on it.
fn amid(direct: &Direct, options: &[&str], mounted: &str, script: &str) -> std::path::PathBuf {
    let (image, copy) = (direct.path("image"), direct.path("copy"));
    mkfs(&image, 256, FEATURES, None);
    if !options.is_empty() {
        let mut tune = std::process::Command::new("tune2fs");
        tune.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        tune.args(["-O", "^has_journal"]).arg(&image);
        assert_eq!(run(&mut tune, b"", Duration::from_secs(60)).code, 0);
        let mut tune = std::process::Command::new("tune2fs");
        tune.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        tune.args(options).arg(&image);
        let ran = run(&mut tune, b"", Duration::from_secs(60));
        assert_eq!(ran.code, 0, "{}", ran.all());
    }
    let mut command = as_root("unshare".as_ref());
    command.env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
    command.args(["--mount", "sh", "-c", AMID, "amid"]);
    command
        .arg(&image)
        .arg(direct.path("mnt"))
        .arg(&copy)
        .arg(script)
        .arg(mounted);
    let ran = run(&mut command, b"", Duration::from_secs(240));
    assert_eq!(ran.code, 0, "{}", ran.all());
    copy
}

fn needs_recovery(image: &Path) -> bool {
    let mut command = std::process::Command::new("dumpe2fs");
    command
        .env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
        .arg("-h")
        .arg(image);
    let ran = run(&mut command, b"", Duration::from_secs(60));
    ran.stdout.contains("needs_recovery")
}

async fn is_as_the_kernel_sees_it(direct: &Direct, copy: &Path) {
    assert!(needs_recovery(copy), "there is nothing to replay");
    let to = direct.path("to");
    let disk = FileDisk::new(fs::File::open(copy).expect("open"), "the copy");
    let disk = move || Ext4::open(Box::new(disk));
    let fs = tokio::task::spawn_blocking(move || disk().map(|fs| exported_here(fs)));
    let files = fs.await.expect("no panic").expect("a file system");
    let done = exported(files, "/", &to, None).await.expect("exported");
    assert_eq!(done.failed, vec![]);
    assert_same_in(&copy.with_extension("truth"), &to, 1);
}

fn exported_here(fs: Ext4) -> Box<dyn remote_compute::workspace::Files> {
    Box::new(Ext4Files::new(fs))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_in_the_journal_is_read() {
    let direct = Direct::new().await;
    let script = "mkdir a; for n in $(seq 300); do echo $n >a/$n; done; sync; \
                  ln -s a/1 link; chmod 700 a; mv a/2 two; rm a/3; \
                  dd if=/dev/urandom of=big bs=1M count=9 status=none; truncate -s 5000000 big";
    let copy = amid(&direct, &[], "", script);
    is_as_the_kernel_sees_it(&direct, &copy).await;
    // And through a snapshot, which only reads the blocks of the journal that it needs.
    let snapshot = direct.photographed(1, &copy).await;
    let to = direct.path("again");
    direct.export(&snapshot, "/", &to).await;
    assert_same_in(&copy.with_extension("truth"), &to, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_went_round_and_blocks_that_were_taken_back() {
    let direct = Direct::new().await;
    // A journal of 4 MB, gone round some times; directories whose blocks become those of files.
    let script = "for n in $(seq 400); do mkdir d$n; for m in 1 2 3 4 5 6; do echo $n >d$n/$m; done; \
                  sync; if [ $n -gt 3 ]; then rm -r d$((n - 3)); \
                  dd if=/dev/urandom of=f$((n % 7)) bs=4k count=$((n % 50 + 1)) status=none; fi; done";
    let copy = amid(&direct, &["-J", "size=4"], "", script);
    is_as_the_kernel_sees_it(&direct, &copy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_in_the_journal_that_looks_like_the_journal() {
    let direct = Direct::new().await;
    // With data=journal contents go through it too, and one that begins with its magic number is escaped.
    let script = "mkdir j; \
                  for n in 1 2 3; do printf '\\300\\073\\071\\230data %s' $n >j/$n; done; sync; \
                  for n in 1 2 3; do printf '\\300\\073\\071\\230more %s' $n >j/$n; done; \
                  dd if=/dev/urandom of=j/large bs=64k count=20 status=none";
    let copy = amid(&direct, &[], ",data=journal", script);
    is_as_the_kernel_sees_it(&direct, &copy).await;
}
