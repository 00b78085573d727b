//! What `remote-root` takes for a blank volume, a work volume, or somebody's data: on loop devices, in a
//! throw-away root made of the lab's image. A refusal must leave every byte as it was.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::common::process::{Ran, run};
use crate::harness::{as_root, paths};

pub const MIB: u64 = 1 << 20;
pub const SIZE: u64 = 64 * MIB;
const LIMIT: Duration = Duration::from_secs(120);
pub const VOLUME: &str = "vol-0123456789abcdef0";

/// Namespaces of its own over the image's tree: $1 the image, $2 a directory for it, $3 remote-root. The files
/// of the test are at /files. Nothing of it outlives its first process, loop devices included.
const ROOT: &str = r#"
set -eu
mount --make-rprivate /
mkdir -p "$2/root"
mount -t tmpfs tmpfs "$2/root"
cd "$2/root"
mkdir upper work new
mount -t overlay overlay -o "lowerdir=$1/root,upperdir=upper,workdir=work" new
mount -t proc proc new/proc
if [ -e new/proc/sysrq-trigger ]; then mount --bind /dev/null new/proc/sysrq-trigger; fi
mount --rbind /sys new/sys
mount -t tmpfs tmpfs new/run
mount -t tmpfs tmpfs new/dev
mknod -m 666 new/dev/null c 1 3
mknod -m 666 new/dev/zero c 1 5
mknod -m 666 new/dev/urandom c 1 9
mknod new/dev/loop-control c 10 237
for n in $(seq 0 127); do mknod "new/dev/loop$n" b 7 "$n"; done
mkdir -p new/dev/disk/by-id new/files new/etc/remote
mount --bind "$2/files" new/files
install -m 755 "$3" new/usr/local/sbin/remote-root
echo root >new/etc/remote/login
cat >new/sh <<'END'
# attach FILE VOLUME: a loop device with the volume's serial, gone when this shell is.
attach() {
    device=$(losetup --find --show "$1")
    exec 3<"$device"
    losetup -d "$device"
    ln -sfn "$device" "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_vol${2#vol-}"
}
END
exec chroot new /bin/sh -c '. /sh; eval "$0"' "$4"
"#;

/// A file that is a volume, and the root in which `remote-root` finds it.
pub struct Volume {
    pub dir: tempfile::TempDir,
}

impl Volume {
    /// Blank.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        fs::create_dir(dir.path().join("files")).expect("made");
        let volume = Self { dir };
        let file = File::create(volume.file()).expect("a file");
        file.set_len(SIZE).expect("sparse");
        volume
    }

    pub fn file(&self) -> PathBuf {
        self.dir.path().join("files/volume")
    }

    pub fn put(&self, at: u64, bytes: &[u8]) {
        let mut file = fs::OpenOptions::new().write(true).open(self.file());
        let file = file.as_mut().expect("the file");
        file.seek(SeekFrom::Start(at)).expect("there");
        file.write_all(bytes).expect("written");
    }

    pub fn digest(&self) -> Vec<u8> {
        Sha256::digest(fs::read(self.file()).expect("the file")).to_vec()
    }

    /// A program of this machine on the file.
    pub fn with(&self, line: &str) {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("PATH=$PATH:/usr/sbin:/sbin; {line}"), "sh"]);
        let ran = run(shell.arg(self.file()), b"", LIMIT);
        assert_eq!(ran.code, 0, "{line}: run `make setup`? {}", ran.all());
    }

    /// A script in a root of its own, in which the file is attached as [`VOLUME`].
    pub fn script(&self, script: &str) -> Ran {
        let remote_root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cloud-init/remote-root");
        let mut command = as_root("unshare".as_ref());
        command
            .args(["--mount", "--pid", "--fork", "--kill-child=KILL"])
            .args(["sh", "-c", ROOT, "sh"])
            .args([&paths().1, self.dir.path(), &remote_root])
            .arg(format!("attach /files/volume {VOLUME}; {script}"));
        run(&mut command, b"", LIMIT)
    }

    pub fn mount(&self, words: &str) -> Ran {
        self.script(&format!("remote-root mount {VOLUME} {words}"))
    }
}

/// Somebody's data: a name, and what makes it.
type Foreign = (&'static str, fn(&Volume));

const FOREIGN: &[Foreign] = &[
    ("MBR", |v| v.with("echo 2048,,L | sfdisk -q \"$1\"")),
    ("empty MBR", |v| {
        v.with("echo label: dos | sfdisk -q \"$1\"")
    }),
    ("GPT", |v| {
        v.with("printf 'label: gpt\\n2048,,L\\n' | sfdisk -q \"$1\"")
    }),
    ("GPT's backup alone", |v| {
        v.with("printf 'label: gpt\\n2048,,L\\n' | sfdisk -q \"$1\"");
        v.put(0, &vec![0; 40 * 512]);
    }),
    ("LUKS 1", |v| {
        v.with(
            "echo x | cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 \"$1\" -",
        )
    }),
    ("LUKS 2", |v| {
        v.with("echo x | cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \"$1\" -");
    }),
    ("LUKS 2's second header alone", |v| {
        v.with("echo x | cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \"$1\" -");
        v.put(0, &[0; 16 * 1024]);
    }),
    ("swap", |v| v.with("mkswap -q \"$1\" 2>/dev/null")),
    ("ext2", |v| v.with("mke2fs -q -t ext2 \"$1\"")),
    ("ext3", |v| v.with("mke2fs -q -t ext3 \"$1\"")),
    ("ext4", |v| v.with("mke2fs -q -t ext4 \"$1\"")),
    ("ext4 with another label", |v| {
        v.with("mke2fs -q -t ext4 -L cloudimg-rootfs \"$1\"")
    }),
    ("ext2 with our label", |v| {
        v.with("mke2fs -q -t ext2 -L remote-work \"$1\"")
    }),
    ("ext4 with its first MiB gone", |v| {
        v.with("mke2fs -q -t ext4 -L remote-work \"$1\"");
        v.put(0, &vec![0; 1 << 20]);
    }),
    ("ext4 with its superblock gone", |v| {
        v.with("mke2fs -q -t ext4 -L remote-work \"$1\"");
        v.put(1024, &[0; 1024]);
    }),
    ("XFS", |v| {
        v.with("truncate -s 320M \"$1\" && mkfs.xfs -q \"$1\"")
    }),
    ("FAT", |v| v.with("mkfs.vfat \"$1\" >/dev/null")),
    ("LVM", |v| {
        v.put(512, b"LABELONE\x01\0\0\0\0\0\0\0\0\0\0\0\x20\0\0\0LVM2 001")
    }),
    ("btrfs", |v| v.put(65536 + 64, b"_BHRfS_M")),
    ("NTFS", |v| v.put(0, b"\xebR\x90NTFS    ")),
    ("ISO 9660", |v| v.put(32769, b"CD001\x01")),
    ("squashfs", |v| v.put(0, b"hsqs")),
    ("F2FS", |v| v.put(1024, b"\x10\x20\xf5\xf2")),
    ("RAID 1.2", |v| v.put(4096, b"\xfc\x4e\x2b\xa9\x01\0\0\0")),
    ("RAID 0.90, at the end", |v| {
        v.put(SIZE - 65536, b"\xfc\x4e\x2b\xa9\0\0\0\0")
    }),
    ("ZFS", |v| v.put(128 * 1024, b"\x0c\xb1\xba\0\0\0\0\0")),
    ("bcache", |v| {
        v.put(
            4096 + 24,
            b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
        )
    }),
    ("one byte at the beginning", |v| v.put(0, b"x")),
    ("one byte in the first MiB", |v| v.put(777_777, b"x")),
    ("one byte at the end", |v| v.put(SIZE - 1, b"x")),
    ("one byte in the last MiB", |v| v.put(SIZE - 999_999, b"x")),
    ("text in the middle", |v| v.put(32 * MIB, &[b'x'; 100_000])),
    ("data after 10 MiB of zeros", |v| {
        v.put(10 * MIB, &vec![7; 50 << 20])
    }),
    ("noise", |v| {
        let mut noise = vec![0; SIZE as usize];
        getrandom::fill(&mut noise).expect("noise");
        v.put(0, &noise);
    }),
];

#[test]
fn what_is_not_blank_is_never_formatted_and_what_is_foreign_never_mounted() {
    assert!(FOREIGN.len() >= 30);
    std::thread::scope(|scope| {
        for part in FOREIGN.chunks(FOREIGN.len().div_ceil(4)) {
            scope.spawn(|| part.iter().for_each(refused_unchanged));
        }
    });
}

fn refused_unchanged((name, make): &Foreign) {
    let volume = Volume::new();
    make(&volume);
    let before = volume.digest();
    for words in ["--new", ""] {
        let ran = volume.mount(words);
        assert_ne!(ran.code, 0, "{name} {words}: {}", ran.all());
        assert!(
            ran.stderr.starts_with("remote-root: vol-"),
            "{name} {words}: {}",
            ran.all()
        );
        assert_eq!(volume.digest(), before, "{name} {words} was changed");
    }
}

#[test]
fn a_blank_volume_is_formatted_once_and_its_files_stay() {
    let volume = Volume::new();
    let refused = volume.mount("");
    assert!(refused.stderr.contains("blank"), "{}", refused.all());
    let script = format!(
        "remote-root mount {VOLUME} --new && echo first >/work/file && remote-root mount {VOLUME} --new &&
         remote-root mount {VOLUME} && cat /work/file && stat -c '%U %G %a' /work /work/.remote && umount /work"
    );
    let ran = volume.script(&script);
    assert_eq!(
        ran.stdout,
        "first\nroot root 1775\nroot root 755\n",
        "{}",
        ran.all()
    );
    // On another machine; with --new too, for whoever was cut off after the first time.
    for words in ["", "--new"] {
        let ran = volume.script(&format!(
            "remote-root mount {VOLUME} {words} && cat /work/file"
        ));
        assert_eq!(
            (ran.code, ran.stdout.as_str()),
            (0, "first\n"),
            "{}",
            ran.all()
        );
    }
    // Its machine lost power: the journal is replayed.
    let script = format!(
        "remote-root mount {VOLUME} && echo second >/work/file && sync && cp --sparse=always /files/volume /files/cut"
    );
    let ran = volume.script(&script);
    assert_eq!(ran.code, 0, "{}", ran.all());
    fs::rename(volume.dir.path().join("files/cut"), volume.file()).expect("renamed");
    let ran = volume.script(&format!("remote-root mount {VOLUME} && cat /work/file"));
    assert_eq!(ran.stdout, "second\n", "{}", ran.all());
    assert!(ran.stderr.contains("recovering journal"), "{}", ran.all());
}

#[test]
fn a_signature_that_comes_late_is_seen() {
    let volume = Volume::new();
    // Before the third reading.
    let script = format!(
        "(sleep 0.45; mkswap -q $device) & remote-root mount {VOLUME} --new; echo $?; blkid -p -s TYPE -o value $device"
    );
    let ran = volume.script(&script);
    assert_eq!(ran.stdout, "1\nswap\n", "{}", ran.all());
    assert!(ran.stderr.contains("swap"), "{}", ran.all());
}

#[test]
fn what_is_in_use_or_not_to_be_told_apart_is_refused() {
    let volume = Volume::new();
    volume.with("mke2fs -q -t ext4 -L remote-work \"$1\"");
    let refused = |script: &str, why: &str| {
        let ran = volume.script(script);
        assert!(ran.stderr.contains(why), "{script}: {}", ran.all());
        assert_ne!(ran.code, 0, "{script}: {}", ran.all());
    };
    let mount = format!("remote-root mount {VOLUME}");
    refused(&format!("mount $device /mnt && {mount}"), "mounted at /mnt");
    refused(
        &format!("mkdir -p /work && mount -t tmpfs x /work && {mount}"),
        "taken already",
    );
    let other = "truncate -s 9M /files/other; two=$(losetup --find --show /files/other)";
    let same = "ln -s $two /dev/disk/by-id/nvme-Other_vol0123456789abcdef0";
    refused(
        &format!("{other}; {same}; {mount}; code=$?; losetup -d $two; exit $code"),
        "more than one device",
    );
    for id in [
        "",
        "vol-",
        "vol-XYZ12345",
        "vol-0123/../../x",
        "0123456789abcdef0",
        "'vol-01234567; id'",
    ] {
        refused(&format!("remote-root mount {id}"), "is not a volume's id");
    }
    refused(&format!("{mount} --force"), "is not known");
    refused(
        "remote-root mount vol-00000000000000000",
        "did not appear within 30 s",
    );
}

#[test]
fn a_damaged_work_volume_is_not_mounted() {
    let volume = Volume::new();
    volume.with(
        "mke2fs -q -t ext4 -L remote-work \"$1\" && debugfs -w -R 'clri <2>' \"$1\" 2>/dev/null",
    );
    volume.with("debugfs -w -R 'set_super_value state 2' \"$1\" 2>/dev/null");
    let ran = volume.script(&format!(
        "remote-root mount {VOLUME}; echo $?; ls -A /work 2>/dev/null"
    ));
    assert_eq!(ran.stdout, "1\n", "{}", ran.all());
    assert!(ran.stderr.contains("is damaged"), "{}", ran.all());
}

#[test]
fn too_small_a_device_is_no_work_volume() {
    let volume = Volume::new();
    volume.with("truncate -s 2M \"$1\"");
    let ran = volume.mount("--new");
    assert!(
        ran.code != 0 && ran.stderr.contains("4 MiB"),
        "{}",
        ran.all()
    );
}

#[test]
fn times_and_keys_that_are_none_are_refused_and_change_nothing() {
    let volume = Volume::new();
    let script = r#"
        echo 99 >/etc/remote/deadline
        for time in '' x -1 1 12345678901234 '1;id' 0x7fffffff; do remote-root deadline "$time" && echo took "$time"; done
        mkdir -p /root/.ssh; echo '# mine' >/root/.ssh/authorized_keys
        for key in '' x 'ssh-ed25519' 'ssh-ed25519 AAAA dev' 'command="id" ssh-ed25519 AAAA dev' 'ssh-ed25519 AAAA a b' \
            'ssh-dss AAAA dev' 'ssh-ed25519 AAAA ../dev'; do
            echo "$key" | remote-root enrol && echo took "$key"
        done
        remote-root revoke nobody && echo revoked
        remote-root revoke '.*' && echo revoked
        remote-root start /tmp /bin/true && echo started
        remote-root && echo nothing
        cat /etc/remote/deadline /root/.ssh/authorized_keys
        # And what is one is taken: a second key of a device takes the first one's place.
        remote-root deadline 99999999999 && cat /etc/remote/deadline
        for key in one two; do
            ssh-keygen -q -t ed25519 -N '' -C dev -f /run/$key && remote-root enrol </run/$key.pub
        done
        remote-root devices; grep -c . /root/.ssh/authorized_keys; stat -c %a /root/.ssh/authorized_keys
        remote-root revoke dev && grep -c . /root/.ssh/authorized_keys"#;
    let ran = volume.script(script);
    let wanted = "99\n# mine\n99999999999\ndev\n2\n600\n2\n";
    assert_eq!(ran.stdout, wanted, "{}", ran.all());
}
