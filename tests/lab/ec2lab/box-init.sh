#!/bin/sh
# Makes a box: run inside fresh namespaces, it lays an overlay over the image's tree, gives it /dev and a
# network of its own, waits for the lab to put its services there, and becomes systemd.
# box-init.sh IMAGE TREE CONSOLE PRIVATE-ADDRESS
set -eu
image=$1 tree=$2 console=$3 address=$4
new=$tree/root

# The outer process number, which the lab needs: /proc is still the outer one here.
read -r outer rest </proc/self/stat

mount --make-rprivate /
mkdir -p "$tree/upper" "$tree/work" "$new"
mount -t overlay overlay -o "lowerdir=$image,upperdir=$tree/upper,workdir=$tree/work" "$new"

mount -t proc proc "$new/proc"
# The kernel is everybody's: no sysctl and no SysRq from in here.
mount --bind "$new/proc/sys" "$new/proc/sys"
mount -o remount,bind,ro "$new/proc/sys"
if [ -e "$new/proc/sysrq-trigger" ]; then
    mount --bind /dev/null "$new/proc/sysrq-trigger"
fi
mount -t sysfs -o ro sys "$new/sys"
mount -t cgroup2 cgroup "$new/sys/fs/cgroup"
mount -t tmpfs -o mode=755 run "$new/run"
mount -t tmpfs -o mode=755 dev "$new/dev"
mkdir -p "$new/dev/pts" "$new/dev/shm" "$new/dev/disk/by-id" "$new/dev/mapper"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 pts "$new/dev/pts"
mount -t tmpfs -o mode=1777 shm "$new/dev/shm"
ln -s pts/ptmx "$new/dev/ptmx"
ln -s /proc/self/fd "$new/dev/fd"
for number in 0 1 2; do
    set -- stdin stdout stderr
    shift "$number"
    ln -s "/proc/self/fd/$number" "$new/dev/$1"
done
while read -r name major minor; do
    mknod -m 666 "$new/dev/$name" c "$major" "$minor"
done <<NODES
null 1 3
zero 1 5
full 1 7
random 1 8
urandom 1 9
tty 5 0
NODES
: >"$new/dev/console"
mount --bind "$console" "$new/dev/console"

# A box has no disk of its own to look for.
: >"$new/etc/fstab"
: >"$new/run/lab-box"
ip link set lo up
ip address add "$address/32" dev lo
ip address add 169.254.169.254/32 dev lo
ip address add 169.254.169.250/32 dev lo

echo "$outer"
read -r _

cd "$new"
pivot_root . mnt
umount -l /mnt
# What would reach beyond the box: the clock, kernel modules, I/O ports.
exec setpriv --bounding-set -sys_time,-sys_module,-sys_rawio,-syslog,-mac_admin,-mac_override \
    --inh-caps -sys_time,-sys_module,-sys_rawio,-syslog,-mac_admin,-mac_override \
    env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --log-target=console --show-status=no </dev/null >/dev/console 2>&1
