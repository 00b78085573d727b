#!/usr/bin/env bash
# Makes root trees with next to nothing in them under OUT: debian, glibc, musl, busybox. docs/LAB.md says what for.
set -euo pipefail
OUT=${1:?usage: bare.sh OUT}
SUITE=${SUITE:-bookworm}
say() { printf 'bare: %3d s  %s\n' "$SECONDS" "$*"; }
sources=()
if grep -qs "$SUITE" /etc/apt/sources.list.d/debian.sources; then
    sources=(/etc/apt/sources.list.d/debian.sources)
elif grep -qs "$SUITE" /etc/apt/sources.list; then
    sources=(/etc/apt/sources.list)
fi
common() {
    mkdir -p "$1"/{bin,etc,proc,dev,tmp,root,usr/bin}
    chmod 1777 "$1/tmp"
    echo 'root:x:0:0:root:/root:/bin/sh' >"$1/etc/passwd"
    echo 'root:x:0:' >"$1/etc/group"
}
applets() {
    local applet
    for applet in sh cat ls mkdir chmod mv rm sleep id uname sha256sum gzip; do
        ln -sf busybox "$1/bin/$applet"
    done
}

rm -rf --one-file-system "$OUT"
mkdir -p "$OUT"
mmdebstrap --quiet --variant=essential --mode=root --components=main \
    --aptopt='Acquire::Check-Valid-Until "false"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --include=musl "$SUITE" "$OUT/debian" ${sources[@]+"${sources[@]}"}
say debian

common "$OUT/glibc"
for program in bash cat ls mkdir chmod mv rm sleep id uname sha256sum gzip; do
    file=$(chroot "$OUT/debian" sh -c "command -v $program")
    cp -L "$OUT/debian$file" "$OUT/glibc/bin/$program"
    chroot "$OUT/debian" ldd "$file" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$OUT/glibc$(dirname "$library")"
        cp -L "$OUT/debian$library" "$OUT/glibc$library"
    done
done
ln -s bash "$OUT/glibc/bin/sh"

common "$OUT/busybox"
cp "$(command -v busybox)" "$OUT/busybox/bin/busybox"
applets "$OUT/busybox"

# musl's loader is there and glibc's is not: what is linked against the latter does not start.
cp -r "$OUT/busybox" "$OUT/musl"
mkdir -p "$OUT/musl/lib"
loader=$(find "$OUT/debian/lib" "$OUT/debian/usr/lib" -name 'libc.so' -path '*musl*' | head -n 1)
cp -L "$loader" "$OUT/musl/lib/ld-musl-$(uname -m).so.1"
chroot "$OUT/debian" dpkg --purge musl >/dev/null
rm -rf "$OUT/debian"/var/lib/apt/lists/* "$OUT/debian"/var/cache/apt/*.bin
say "$(du -sm "$OUT"/* | tr '\n' ' ')"
