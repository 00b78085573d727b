#!/usr/bin/env bash
# How long a newcomer waits: from a fresh clone with an empty target directory to the first output of the
# README's first command. Dependencies are downloaded before if they are not yet (`--cold` downloads them in
# the measured time too). Prints seconds. Leaves nothing behind.
set -euo pipefail
source_dir="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
git clone --quiet "$source_dir" "$work/remote"
cd "$work/remote"
if [[ "${1:-}" == --cold ]]; then
    export CARGO_HOME="$work/cargo"
    mkdir -p "$CARGO_HOME"
    # Where crates come from is this machine's business and stays as it is.
    for f in "$HOME"/.cargo/config.toml "$HOME"/.cargo/credentials.toml; do
        [[ -f $f ]] && cp "$f" "$CARGO_HOME/"
    done
else
    cargo fetch --quiet
fi
# The session's home is new; cargo's and rustup's are the user's.
export CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}"
export CARGO_TARGET_DIR="$work/target" HOME="$work/home"
mkdir -p "$HOME"
begun=$(date +%s.%N)
cargo run --release --quiet -- dispatch --no-repo --command 'echo first contact' | while read -r line; do
    if [[ "$line" == *"first contact"* ]]; then
        printf '%.0f s from a fresh clone to the first output (%s cores)\n' \
            "$(echo "$(date +%s.%N) $begun" | awk '{print $1 - $2}')" "$(nproc)"
    fi
done
