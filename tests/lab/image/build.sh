#!/usr/bin/env bash
# Builds the lab's guest into OUT: root/ (the tree that boxes run on), rootfs.img, vmlinuz and initrd (what VMs
# boot), packages.txt. No boot loader and no partition table: QEMU loads the kernel, the root is the whole disk.
# Needs root, mmdebstrap, e2fsprogs, cpio, busybox-static.
set -euo pipefail
OUT=${1:?usage: build.sh OUT}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
SUITE=${SUITE:-bookworm}
ROOT=$OUT/root
say() { printf 'image: %3d s  %s\n' "$SECONDS" "$*"; }

# This machine's own package sources; elsewhere than on Debian, mmdebstrap's defaults.
sources=()
if grep -qs "$SUITE" /etc/apt/sources.list.d/debian.sources; then
    sources=(/etc/apt/sources.list.d/debian.sources)
elif grep -qs "$SUITE" /etc/apt/sources.list; then
    sources=(/etc/apt/sources.list)
fi

packages=systemd-sysv,udev,kmod,dbus,cloud-init,openssh-server,sudo,git,rsync,curl,tmux,ca-certificates
packages+=,iproute2,procps,e2fsprogs,netbase,nvme-cli,gdisk,libnss-myhostname,util-linux

# The kernel's package is unpacked, not installed: that would bring initramfs-tools and build an initrd.
# --keep-directory-symlink: plain extraction would replace the tree's /lib -> usr/lib.
# shellcheck disable=SC2016
unpack_kernel='
    package=$(chroot "$1" apt-cache depends --no-recommends linux-image-cloud-amd64 |
        sed -n "s/.*Depends: //p" | head -n 1)
    mkdir "$1/kernel"
    chroot "$1" sh -c "cd /kernel && apt-get download -q $package"
    dpkg-deb --fsys-tarfile "$1"/kernel/*.deb |
        tar -x --keep-directory-symlink -C "$1" --wildcards "./boot/*" "*lib/modules/*"
    rm -r "$1/kernel" "$1"/boot/System.map*
    chroot "$1" /sbin/depmod -a "${package#linux-image-}"'

rm -rf --one-file-system "$ROOT"
mkdir -p "$OUT"
# --variant=apt leaves apt and dpkg usable in the guest.
mmdebstrap --quiet --variant=apt --mode=root --components=main --include="$packages" \
    --aptopt='APT::Install-Recommends "false"' \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --customize-hook="$unpack_kernel" \
    --customize-hook='chroot "$1" dpkg-query -W >'"$OUT/packages.txt" \
    "$SUITE" "$ROOT" ${sources[@]+"${sources[@]}"}
say "packages"

cp -r --no-preserve=ownership "$HERE/guest/." "$ROOT/"
chmod 755 "$ROOT/usr/bin/cloud-init"
# No network in the lab: `packages:` then means "must be there", and is instant.
: >"$ROOT/etc/apt/sources.list"
rm -f "$ROOT"/etc/apt/sources.list.d/*
echo debian >"$ROOT/etc/hostname"
: >"$ROOT/etc/machine-id"
: >"$ROOT/etc/resolv.conf"
rm -f "$ROOT"/etc/ssh/ssh_host_* "$ROOT/var/lib/dbus/machine-id"
while read -r unit; do
    case $unit in '' | '#'*) continue ;; esac
    ln -sf /dev/null "$ROOT/etc/systemd/system/$unit"
done <"$HERE/masked-units"
chroot "$ROOT" systemctl -q enable systemd-networkd lab-wait-online ssh serial-getty@ttyS0
chroot "$ROOT" systemctl -q set-default multi-user.target
rm -rf "$ROOT"/var/cache/apt/*.bin "$ROOT"/var/lib/apt/lists/* "$ROOT"/boot/initrd* \
    "$ROOT"/usr/share/{doc,man,locale,info}/*
version=$(ls "$ROOT/lib/modules")
mv "$ROOT/boot/vmlinuz-$version" "$OUT/vmlinuz"
say "configured"

# busybox and the few modules that stand between the kernel and its root.
initrd=$(mktemp -d)
trap 'rm -rf "$initrd"' EXIT
mkdir -p "$initrd"/{bin,m,dev,proc,sys,r}
cp "$(command -v busybox)" "$initrd/bin/busybox"
: >"$initrd/order"
for module in nvme virtio_pci virtio_blk ext4 crc32c_generic; do
    chroot "$ROOT" /sbin/modprobe -S "$version" --show-depends "$module" | awk '/^insmod/{print $2}' |
        while read -r file; do
            name=$(basename "$file")
            grep -qx "$name" "$initrd/order" && continue
            echo "$name" >>"$initrd/order"
            cp "$ROOT$file" "$initrd/m/$name"
        done
done
install -m 755 "$HERE/initrd-init" "$initrd/init"
(cd "$initrd" && find . | cpio --quiet -o -H newc) >"$OUT/initrd"
mke2fs -q -t ext4 -L cloudimg-rootfs -O ^metadata_csum_seed -E lazy_itable_init=1 -d "$ROOT" \
    "$OUT/rootfs.tmp" "${SIZE:-1500M}"
# Only now: a box has no kernel of its own, and the tree is what is left on disk.
rm -rf "$ROOT"/lib/modules/*
mv "$OUT/rootfs.tmp" "$OUT/rootfs.img"
say "rootfs $(du -m "$OUT/rootfs.img" | cut -f1) MiB, tree $(du -sm "$ROOT" | cut -f1) MiB"
