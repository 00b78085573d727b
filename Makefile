# Every target works in a fresh clone. The build's place is shared by all checkouts of one user, so that a
# second clone does not compile the dependencies again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/remote/target
# Files of the build and of tests in one place, whatever the directory make was called from.
MAKEFLAGS += --no-print-directory
CUTS ?= 500
FUZZ_SECONDS ?= 60
MACHINES ?= box

.PHONY: check setup test lab lint doc bench soak fuzz man dist first-contact clean

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

# The link cut $(CUTS) times over a real sshd; about half an hour.
soak: setup
	REMOTE_TEST_CUTS=$(CUTS) cargo test --release --test host cuts:: -- --nocapture

# Each fuzz target for $(FUZZ_SECONDS) seconds.
fuzz:
	@scripts/fuzz $(FUZZ_SECONDS)

man:
	cargo run --release --quiet -- util man man

# What is shipped: static, small, stripped.
dist:
	cargo build --profile dist

# From an empty target to the first output of the README's first command, in seconds.
first-contact:
	bench/first_contact.sh

clean:
	cargo clean
