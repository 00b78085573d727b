//! At random, from a seed: whatever a device may carry, `remote-root mount --new` formats it only if it is blank. Some
//! sixty cases in a check, a thousand in a soak. What is refused must be as it was, to the byte.
//!
//! What is known not to be seen is not made here: data without any signature that lies between two samples, less
//! than a 63rd part of the device long, and neither in the first nor in the last MiB.

use std::fmt::Write as _;
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::person::soak_time;
use crate::volumes::{MIB, VOLUME, Volume};

/// splitmix64: what is found can be had again from its number.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `most`.
    fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len() as u64) as usize]
    }
}

/// How a case disturbs what is read.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Readings {
    Sound,
    /// One of the three finds nothing, whatever is there.
    OneIsEmpty(u64),
    /// The data comes just before one of them.
    Late(u64),
    /// The device gives no data from here on, for a while.
    Unreadable(u64),
}

struct Case {
    what: String,
    blank: bool,
    size: u64,
    /// Shell, with $1 the file.
    make: String,
    readings: Readings,
}

const TABLES: &[&str] = &["dos", "gpt", "sun", "sgi"];
/// What makes a file system, and the MiB that it needs.
const FILE_SYSTEMS: &[(&str, u64)] = &[
    ("mke2fs -q -t ext2 -b 1024 $1", 8),
    ("mke2fs -q -t ext2 -L remote-work $1", 8),
    ("mke2fs -q -t ext3 -b 4096 $1", 24),
    ("mke2fs -q -t ext4 -L data $1", 24),
    ("mke2fs -q -t ext4 -O ^has_journal $1", 8),
    ("mkfs.vfat -F 12 $1", 8),
    ("mkfs.vfat -F 16 -n WORK $1", 24),
    ("mkfs.vfat -F 32 $1", 64),
    ("mkfs.exfat $1", 16),
    ("mkfs.ntfs -F -q -f $1", 16),
    ("mkfs.xfs -q -f $1", 320),
    ("mkfs.btrfs -q -f $1", 128),
    ("mkfs.f2fs -q -f $1", 64),
    ("mkfs.jfs -q $1", 24),
    ("mkfs.nilfs2 -q -f $1", 140),
    ("mkfs.reiserfs -q -ff $1", 40),
    ("mkfs.udf $1", 16),
    ("mkfs.minix $1", 8),
    ("mkfs.minix -3 $1", 8),
    ("mkfs.bfs $1", 8),
    ("mkswap $1", 8),
    ("mkswap -p 65536 $1", 8),
    (
        "cd /etc/ssh && mkfs.cramfs . $1.img && dd if=$1.img of=$1 conv=notrunc",
        8,
    ),
    (
        "mksquashfs /etc/ssh $1.img && dd if=$1.img of=$1 conv=notrunc",
        8,
    ),
    (
        "mkfs.erofs $1.img /etc/ssh && dd if=$1.img of=$1 conv=notrunc",
        8,
    ),
    (
        "echo x | cryptsetup -q luksFormat --type luks1 --pbkdf-force-iterations 1000 $1 -",
        24,
    ),
    (
        "echo x | cryptsetup -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $1 -",
        24,
    ),
];
/// Bytes by which something is known, and where: below 0, from the end.
const SIGNATURES: &[(&str, &str, i64)] = &[
    (
        "LVM",
        r"LABELONE\1\0\0\0\0\0\0\0\0\0\0\0\40\0\0\0LVM2 001",
        512,
    ),
    ("RAID 1.2", r"\374\116\53\251\1\0\0\0", 4096),
    ("RAID 1.1", r"\374\116\53\251\1\0\0\0", 0),
    ("RAID 1.0", r"\374\116\53\251\1\0\0\0", -8192),
    ("RAID 0.90", r"\374\116\53\251\0\0\0\0", -65536),
    ("Intel's RAID", r"Intel Raid ISM Cfg Sig. 1.1.00", -1024),
    ("DDF", r"\336\21\336\21", -512),
    ("ZFS", r"\14\261\272\0\0\0\0\0", 131_072),
    ("ZFS's last label", r"\14\261\272\0\0\0\0\0", -131_072),
    (
        "bcache",
        r"\306\205\163\366\116\32\105\312\202\145\365\177\110\272\155\201",
        4120,
    ),
    ("ISO 9660", r"CD001\1", 32_769),
    ("btrfs", "_BHRfS_M", 65_600),
    ("GFS2", r"\1\26\31\160\0\0\0\1", 65_536),
    ("OCFS2", "OCFSV2", 8192),
    ("HFS+", r"H+\0\4", 1024),
    ("APFS", "NXSB", 32),
    ("DRBD", r"\203\164\2\147", -4092),
    ("VMFS", r"\15\320\1\300", 1_048_576),
    ("BitLocker", r"\353\130\220-FVE-FS-", 0),
    ("Ceph", "bluestore block device", 0),
    ("dm-verity", r"verity\0\0\1\0\0\0", 0),
    ("dm-integrity", r"integrt\0", 0),
    ("swap that is asleep", "S1SUSPEND", 4086),
    ("GPT's backup", "EFI PART", -512),
];

fn case(dice: &mut Dice) -> Case {
    let mut size = (16 + dice.below(100)) * MIB;
    let kind = dice.below(20);
    let readings = match dice.below(10) {
        0 | 1 => Readings::OneIsEmpty(1 + dice.below(3)),
        // What has no signature is looked for once.
        2 if kind < 13 => Readings::Late(2 + dice.below(2)),
        3 => Readings::Unreadable(dice.below(size / 4096) * 4096),
        _ => Readings::Sound,
    };
    let (what, make) = match kind {
        // Sizes that are no multiple of anything, and zeros that were written.
        0..=2 => {
            size += dice.below(2) * 512 * dice.below(200);
            let make = dice.of(&["true", "dd if=/dev/zero of=$1 bs=1M count=8 conv=notrunc"]);
            ("nothing".to_owned(), make.to_owned())
        }
        3..=5 => {
            let table = dice.of(TABLES);
            let mut script = format!("label: {table}");
            let mut start = 2048;
            // The old tables' partitions want cylinders.
            let most = if ["dos", "gpt"].contains(&table) {
                4
            } else {
                1
            };
            for _ in 0..dice.below(most) {
                let length = 64 + dice.below(4096);
                let _ = write!(script, r"\n{start},{length}");
                start += length + 2048;
            }
            let make = format!("printf '{script}\\n' | sfdisk -q $1");
            (format!("a table: {script}"), make)
        }
        6..=12 => {
            let (line, least) = FILE_SYSTEMS[dice.below(FILE_SYSTEMS.len() as u64) as usize];
            size = size.max(least * MIB);
            (line.to_owned(), line.to_owned())
        }
        13..=15 => {
            let (name, bytes, at) = SIGNATURES[dice.below(SIGNATURES.len() as u64) as usize];
            let at = u64::try_from(at).unwrap_or_else(|_| size - at.unsigned_abs());
            let make = format!("printf '%b' '{}' | {}", octal(bytes), put(at));
            (name.to_owned(), make)
        }
        16 => {
            let at = match dice.below(2) {
                0 => dice.below(MIB),
                _ => size - 1 - dice.below(MIB),
            };
            (
                format!("one byte at {at}"),
                format!("printf x | {}", put(at)),
            )
        }
        _ => {
            // Long enough for a sample, wherever it begins.
            let length = size / 63 + 2 * 65_536 + dice.below(size / 4);
            let at = dice.below(size - length);
            let source = dice.of(&["cat /dev/urandom", "yes text"]);
            let make = format!("{source} | head -c {length} | {}", put(at));
            (format!("{length} bytes at {at}"), make)
        }
    };
    Case {
        blank: what == "nothing",
        what,
        size,
        make,
        readings,
    }
}

fn put(at: u64) -> String {
    format!("dd of=$1 bs=64K oflag=seek_bytes seek={at} conv=notrunc iflag=fullblock")
}

/// `printf %b` wants a zero before the digits.
fn octal(bytes: &str) -> String {
    let mut text = String::new();
    let mut chars = bytes.chars().peekable();
    while let Some(c) = chars.next() {
        text.push(c);
        if c == '\\' && chars.peek().is_some_and(char::is_ascii_digit) {
            text.push('0');
        }
    }
    text
}

impl Case {
    /// Shell that stands in the way of `blkid` and `wipefs`, each of which is run at each of the readings.
    fn before(&self) -> String {
        let instead = |nth: u64, what: &str| {
            format!(
                r#"for tool in blkid wipefs; do printf '%s\n' '#!/bin/sh' 'n=$(($(cat /run/${{0##*/}} 2>/dev/null || echo 0) + 1)); echo $n >/run/${{0##*/}}' \
                'if [ $n = {nth} ]; then {what}; fi' "exec $(command -v $tool) \"\$@\"" >/usr/local/sbin/$tool; chmod 755 /usr/local/sbin/$tool; done"#
            )
        };
        match self.readings {
            Readings::Sound => ":".to_owned(),
            Readings::OneIsEmpty(nth) => {
                instead(nth, r#"case $0 in *blkid) exit 2 ;; esac; exit 0"#)
            }
            Readings::Late(nth) => instead(
                nth,
                r#"dd if=/files/volume.full of=$(cat /run/device) bs=64K conv=notrunc,sparse 2>/dev/null"#,
            ),
            // Behind its file's end a loop device fails to read.
            Readings::Unreadable(at) => format!("truncate -s {at} /files/volume"),
        }
    }

    /// Why it is not as it should be.
    fn fails(&self, name: &str) -> Option<String> {
        let volume = Volume::new();
        let file = fs::OpenOptions::new().write(true).open(volume.file());
        file.expect("the file").set_len(self.size).expect("sparse");
        let made = format!(
            "set -e; {{ {}; }} >/dev/null 2>&1; truncate -s {} $1; rm -f $1.img",
            self.make, self.size
        );
        volume.with(&made);
        let late = matches!(self.readings, Readings::Late(_));
        if late {
            volume.with("mv $1 $1.full && truncate -r $1.full $1");
        } else {
            volume.with("cp --sparse=always $1 $1.full");
        }
        let unreadable = matches!(self.readings, Readings::Unreadable(_));
        let script = format!(
            "echo $device >/run/device; {}; remote-root mount {VOLUME} --new; code=$?; awk '$2 == \"/work\" {{ print $3 }}' /proc/mounts; exit $code",
            self.before()
        );
        let ran = volume.script(&script);
        let formatted = ran.code == 0 && ran.stdout.trim() == "ext4";
        let told = ran.stderr.contains("remote-root: vol-");
        if self.blank && !unreadable {
            return (!formatted).then(|| format!("{name}: not formatted: {}", ran.all()));
        }
        if unreadable {
            // What could not be read is what it is compared with.
            volume.with("s=$(stat -c %s $1.full); [ $(stat -c %s $1) = $s ] || { truncate -s $(stat -c %s $1) $1.full; }");
        }
        let same = std::process::Command::new("cmp")
            .arg(volume.file())
            .arg(volume.file().with_extension("full"))
            .output()
            .expect("cmp");
        let refused = ran.code != 0 && told && same.status.success();
        (!refused).then(|| {
            format!(
                "{name}: not refused, or changed ({:?}): {}",
                same,
                ran.all()
            )
        })
    }
}

/// So many cases from a seed, which is told.
fn cases(count: usize, seed: u64) {
    let begun = std::time::Instant::now();
    let (next, blanks) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let case = case(&mut Dice(seed.wrapping_add(n as u64)));
                    blanks.fetch_add(usize::from(case.blank), Ordering::Relaxed);
                    let name = format!(
                        "case {n} of seed {seed} ({}, {} bytes, {:?})",
                        case.what, case.size, case.readings
                    );
                    if let Some(why) = case.fails(&name) {
                        failed.lock().expect("the list").push(why);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("the list");
    let blanks = blanks.into_inner();
    eprintln!(
        "soak: {count} devices from seed {seed}: {blanks} blank, {} with content, {} wrong, {:.0} s",
        count - blanks,
        failed.len(),
        begun.elapsed().as_secs_f32()
    );
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

fn seed() -> u64 {
    let given = std::env::var("REMOTE_TEST_SEED").ok();
    given
        .and_then(|s| s.parse().ok())
        .unwrap_or_else(|| getrandom::u64().expect("a seed"))
}

#[test]
fn only_what_is_blank_is_formatted_whatever_else_a_device_carries() {
    let count = if soak_time().is_some() { 1000 } else { 64 };
    cases(count, seed());
}
