//! What a work volume keeps from machine to machine: it grows with its device, the agents' home and the places of
//! databases and containers are on it, and what was synced before its machine was cut off is there on the next one.

use std::fs;

use crate::volumes::{MIB, SIZE, VOLUME, Volume};

/// The agents' user, as user-data makes it on every image; $home begins with what the image gives.
const AGENT: &str = r#"
echo agent >/etc/remote/agent
groupadd -g 7501 agent
useradd -u 7501 -g 7501 -m -s /bin/bash agent
chmod 750 /home/agent
as_agent() { setpriv --reuid 7501 --regid 7501 --clear-groups env HOME=/home/agent sh -c "$1"; }
# The power goes: nothing of what is not on the device yet gets there, and no file system is left in order.
power_cut() {
    python3 -c 'import fcntl, os, struct
fcntl.ioctl(os.open("/work", os.O_RDONLY), 0x8004587D, struct.pack("I", 2))'
}
"#;

fn told(volume: &Volume, script: &str) -> String {
    let ran = volume.script(&format!("set -e; {AGENT} {script}"));
    assert_eq!(ran.code, 0, "{}", ran.all());
    ran.stdout
}

#[test]
fn the_agents_home_is_the_volumes_and_is_there_with_the_next_machine() {
    let volume = Volume::new();
    let first = format!(
        r#"echo skeleton >/home/agent/.profile; chown agent:agent /home/agent/.profile
        remote-root mount {VOLUME} --new
        remote-root mount {VOLUME}
        stat -c '%U %G %a %n' /work/home /home/agent /home/agent/.profile /work/data
        grep -c ' /home/agent ' /proc/self/mountinfo
        as_agent 'mkdir -p ~/.local/bin ~/.claude && echo history >~/.claude/h && touch ~/.local/bin/tool &&
            chmod 755 ~/.local/bin/tool && echo row >/work/data/db'
        readlink /var/lib/docker
        cat /work/home/.claude/h"#
    );
    let wanted = "agent agent 750 /work/home\nagent agent 750 /home/agent\nagent agent 644 /home/agent/.profile\n\
        root agent 1775 /work/data\n1\n/work/containers/docker\nhistory\n";
    assert_eq!(told(&volume, &first), wanted);
    // Another machine, whose own skeleton does not get in the way.
    let second = format!(
        r#"echo other >/home/agent/.profile
        mkdir /var/lib/docker; touch /var/lib/docker/mine
        remote-root mount {VOLUME}
        cat /home/agent/.profile /home/agent/.claude/h /work/data/db
        as_agent 'PATH=$HOME/.local/bin:$PATH; command -v tool'
        ls /var/lib/docker
        remote-root unmount; grep -c -e ' /work ' -e ' /home/agent ' /proc/self/mountinfo || cat /home/agent/.profile
        dumpe2fs -h $device 2>/dev/null | grep -c needs_recovery || echo clean"#
    );
    let wanted = "skeleton\nhistory\nrow\n/home/agent/.local/bin/tool\nmine\n0\nother\n0\nclean\n";
    assert_eq!(told(&volume, &second), wanted);
}

#[test]
fn a_link_in_the_homes_place_is_not_followed_and_a_copy_that_was_cut_off_begins_anew() {
    let volume = Volume::new();
    let script = format!(
        r#"remote-root mount {VOLUME} --new; remote-root unmount
        mount $device /mnt; rm -rf /mnt/home /mnt/data; ln -s /etc /mnt/home; ln -s /etc /mnt/data
        mkdir /mnt/.remote/home.new; touch /mnt/.remote/home.new/half; umount /mnt
        before=$(stat -c '%a %U' /etc)
        remote-root mount {VOLUME} 2>&1
        grep -c ' /home/agent ' /proc/self/mountinfo || [ "$before" = "$(stat -c '%a %U' /etc)" ] && echo untouched
        rm /work/home; remote-root mount {VOLUME}; ls -A /work/home | grep -c half || echo whole"#
    );
    let said = told(&volume, &script);
    assert!(said.contains("/work/data is a link"), "{said}");
    assert!(said.contains("/work/home cannot be agent's home"), "{said}");
    assert!(said.ends_with("0\nuntouched\n0\nwhole\n"), "{said}");
}

#[test]
fn a_file_system_grows_with_its_device_at_its_mount_and_while_it_is_mounted() {
    let volume = Volume::new();
    told(
        &volume,
        &format!("remote-root mount {VOLUME} --new; echo here >/work/file"),
    );
    // Made larger with no machine.
    let file = fs::OpenOptions::new().write(true).open(volume.file());
    file.expect("the file").set_len(2 * SIZE).expect("longer");
    let size = "df -B1 --output=size /work | tail -1";
    let script = format!(
        r#"remote-root mount {VOLUME}; {size}; cat /work/file
        truncate -s 256M /files/volume; losetup -c $device
        remote-root grow {grown} || echo not now; {size}
        remote-root unmount; remote-root mount {VOLUME}; {size}; cat /work/file
        remote-root grow 12x || echo no
        dumpe2fs -h $device 2>/dev/null | grep -o -e orphan_file -e metadata_csum_seed || echo portable"#,
        grown = 4 * SIZE,
    );
    let said = told(&volume, &script);
    let lines: Vec<&str> = said.lines().map(str::trim).collect();
    let [twice, "here", answer, now, then, "here", "no", "portable"] = lines.as_slice() else {
        panic!("{said}");
    };
    let bytes = |text: &str| text.parse::<u64>().expect("bytes");
    assert!(bytes(twice) > 2 * SIZE - 16 * MIB, "{said}");
    assert!(bytes(then) > 4 * SIZE - 24 * MIB, "{said}");
    // Only root as it is on a real machine may grow what is mounted; in a container it is not.
    if may_grow_mounted() {
        assert_eq!((bytes(answer), now), (4 * SIZE, then), "{said}");
    } else {
        assert_eq!((*answer, now), ("not now", twice), "{said}");
    }
}

/// CAP_SYS_RESOURCE.
fn may_grow_mounted() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let caps = status.lines().find_map(|l| l.strip_prefix("CapEff:"));
    let caps = u64::from_str_radix(caps.expect("there").trim(), 16);
    caps.expect("hexadecimal") & (1 << 24) != 0
}

#[test]
fn a_volume_that_was_seeded_without_a_machine_is_ours() {
    let volume = Volume::new();
    volume.with(
        "d=$(mktemp -d) && mkdir -p $d/src && echo seed >$d/src/f && chown -R 7501:7501 $d/src && \
         mke2fs -q -t ext4 -L remote-work -d $d \"$1\" 30M && rm -rf $d",
    );
    let script = format!(
        "remote-root mount {VOLUME}; as_agent 'cat /work/src/f; echo more >/work/src/g'; ls /work; \
         test $(df -B1 --output=size /work | tail -1) -gt 40000000 && echo grown"
    );
    let said = told(&volume, &script);
    assert!(
        said.starts_with("seed\n") && said.ends_with("grown\n"),
        "{said}"
    );
}

#[test]
fn a_machine_whose_host_died_with_its_volume_ends_by_its_timer() {
    let volume = Volume::new();
    // What would end this machine only says so.
    let script = format!(
        r#"for tool in poweroff systemctl; do
            printf '#!/bin/sh\necho $0\n' >/usr/local/sbin/$tool; chmod 755 /usr/local/sbin/$tool
        done
        echo 99999999999 >/etc/remote/deadline; touch /etc/remote/handed-over
        look() {{ timeout 4 remote-root check 2>&1 || :; }}
        lost_for() {{ echo $(($(cut -d. -f1 /proc/uptime) - $1)) >/run/remote/lost; }}
        kernel=/sys/fs/ext4/${{device##*/}}
        look; remote-root mount {VOLUME} --new; look; ls /run/remote
        echo pulled >$kernel/trigger_fs_error; cat $kernel/errors_count; look; rm /run/remote/lost
        remote-root unmount; remote-root mount {VOLUME} 2>/dev/null; cat $kernel/errors_count
        look; [ -e /run/remote/lost ] || echo well
        power_cut; look; rm /run/remote/lost
        lost_for 50; look; echo not yet
        lost_for 61; look; echo over
        grep -c " /work " /proc/self/mountinfo || rm /run/remote/off
        lost_for 550; look; echo longer
        lost_for 601; look"#
    );
    let said = told(&volume, &script);
    let ends =
        "remote-root: this machine ends: its work volume is gone\n/usr/local/sbin/poweroff\n";
    let wanted = format!("lock\nsince\n1\n0\nwell\nnot yet\n{ends}over\n0\nlonger\n{ends}");
    assert_eq!(said, wanted);
}

#[test]
fn what_was_synced_before_the_power_went_is_there_and_the_file_system_in_order() {
    let volume = Volume::new();
    told(&volume, &format!("remote-root mount {VOLUME} --new"));
    for round in 1..=6 {
        // Cut at another moment each time, while three writers are at it.
        let script = format!(
            r#"remote-root mount {VOLUME}
            as_agent 'cd ~ && [ -d r ] || git init -q r; cd r && git config user.email a@b && git config user.name a &&
                git config core.fsync all && echo {round} >n && git add n && git commit -qm {round} && git rev-parse HEAD >../head.{round} && sync'
            echo kept >/work/data/{round}; sync /work/data/{round} /work/data
            for w in 1 2 3; do
                as_agent 'n=0; while :; do n=$((n+1)); echo $n >/work/home/w'$w'.$((n % 50)); mkdir -p /work/home/d/$n && rm -rf /work/home/d/$((n-9)); done' 2>/dev/null &
            done
            sleep 0.{round}7
            power_cut
            kill $(jobs -p) 2>/dev/null || :"#
        );
        told(&volume, &script);
        let script = format!(
            r#"remote-root mount {VOLUME} 2>&1 | grep -o 'recovering journal' || :
            for n in $(seq 1 {round}); do cat /work/data/$n; done | sort | uniq -c | tr -s ' '
            as_agent 'cd ~/r && git fsck --full --strict && git cat-file -e $(cat ../head.{round}) && git status --porcelain'
            remote-root unmount; e2fsck -fn $device >/dev/null && echo clean"#
        );
        let wanted = format!("recovering journal\n {round} kept\nclean\n");
        assert_eq!(told(&volume, &script), wanted, "round {round}");
    }
}
