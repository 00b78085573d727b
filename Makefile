# Every target works in a fresh clone. The build's place is shared by all checkouts of one user, so that a
# second clone does not compile the dependencies again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/remote/target
# Files of the build and of tests in one place, whatever the directory make was called from.
MAKEFLAGS += --no-print-directory
CUTS ?= 500
MINUTES ?= 30
FUZZ_SECONDS ?= 60
MACHINES ?= box

.PHONY: check setup test lab lint doc bench bench-ec2 bench-repository bench-typing bench-terminal bench-panes pictures soak fuzz man states record-states dist first-contact clean

# All that must hold before a commit.
check:
	@scripts/check

# Installs what the checks need, by name, from this machine's package sources. Quiet when all is there.
setup:
	@scripts/setup

test: setup
	cargo test --release

# An EC2 on this machine to try `remote` against: MACHINES=vm, box or none. Prints what to paste.
lab:
	@scripts/lab $(MACHINES)

lint: setup
	cargo fmt --check
	cargo clippy --release --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS="-D warnings" cargo doc --release --no-deps --document-private-items

# All peers in one run; writes docs/PERFORMANCE.md. About six minutes, best on an idle machine.
bench: setup
	cargo bench --bench peers -- --write

# What `remote` adds on rented machines, in the lab: boxes, VMs, status. Writes its part of docs/PERFORMANCE.md.
bench-ec2: setup
	cargo bench --bench peers -- --write ec2

# A repository of 500 MB beside rsync, the first time and with one file changed. Writes its part.
bench-repository: setup
	cargo bench --bench peers -- --write repository

# Typing over a line of 150 ms, beside ssh and mosh: when keys show, and which guesses are wrong. Writes its part.
bench-typing: setup
	cargo bench --bench peers -- --write typing

# Other terminals' tests in a pane of `remote mux`, tmux and zellij. Writes its part of docs/TERMINAL.md.
bench-terminal: setup
	cargo bench --bench peers -- --write terminal

# Panes beside tmux's: echo over ssh, sixteen that flood, fifty at rest, memory. Writes its part.
bench-panes: setup
	cargo bench --bench peers -- --write panes

# The pictures of the documentation, from real sessions on this machine: docs/pictures/.
pictures: setup
	cargo bench --bench peers -- pictures

# The link cut $(CUTS) times over a real sshd (half an hour), then the lab: every call failing in each way, sessions
# that come and go, each layer of the TTL in VMs. Its loops take $(MINUTES) minutes each; figures on the last lines.
soak: setup
	@CUTS=$(CUTS) MINUTES=$(MINUTES) scripts/soak

# Each fuzz target for $(FUZZ_SECONDS) seconds.
fuzz:
	@scripts/fuzz $(FUZZ_SECONDS)

man:
	cargo run --release --quiet -- util man man

# How often agents' states are right, into docs/AGENTS.md.
states:
	REMOTE_WRITE_STATES=1 cargo test --release --lib agent::corpus -- --nocapture

# Real agents' programs at work, recorded with their states into tests/states/.
record-states: setup
	scripts/agents
	REMOTE_RECORD_STATES=$(CURDIR)/tests/states cargo test --release --test host real:: -- --test-threads=2

# What is shipped: static, small, stripped.
dist:
	cargo build --profile dist

# From an empty target to the first output of the README's first command, in seconds.
first-contact:
	bench/first_contact.sh

clean:
	cargo clean
