#!/usr/bin/env bash
# Runs everything that has to pass before a change lands. Needs the Rust toolchain and git.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

# Copies the project to folder $1: every file that git knows or would add, so that a new one counts
# before `git add`, and one that was just removed does not.
copy_project() {
    git ls-files -z --cached --others --exclude-standard |
        while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
        tar --null -T - -cf - | tar -xf - -C "$1"
}

# What README names must work: the patch that adds a command applies, and the server still passes its
# tests.
try_xstate_patch() {
    local copy
    copy=$(mktemp -d)
    copy_project "$copy"
    (
        cd "$copy"
        git init -q .
        git apply docs/labs/10-xstate.patch
        CARGO_TARGET_DIR="$OLDPWD/target/xstate-patch" cargo test --quiet --bin mini-smtpd
    )
    rm -rf "$copy"
}

# What the labs show must work, too: with the patch of the lab on smuggling, the server
# passes the conversation that the right server must not.
try_smuggling_patch() {
    local copy
    copy=$(mktemp -d)
    copy_project "$copy"
    git -C "$copy" init -q .
    git -C "$copy" apply docs/labs/7-smuggling.patch
    CARGO_TARGET_DIR="$PWD/target/smuggling-patch" \
        cargo build --quiet --manifest-path "$copy/Cargo.toml" --bin mini-smtpd
    local start="--listen 127.0.0.1:{port} --pop3 off --mailboxes {mailboxes} {flags}"
    target/debug/lab play --start "target/smuggling-patch/debug/mini-smtpd $start" \
        docs/labs/7-smuggled.smtp.txt
    if target/debug/lab play --start "target/debug/mini-smtpd $start" docs/labs/7-smuggled.smtp.txt; then
        echo "the server must not pass docs/labs/7-smuggled.smtp.txt"
        return 1
    fi
    rm -rf "$copy"
}

# More random sessions than `cargo test` plays by itself, which is to be quick.
RANDOM_SESSIONS=3000 step cargo test
step cargo fmt --check
step cargo clippy --all-targets -- -D warnings
RUSTDOCFLAGS='-D warnings' step cargo doc --no-deps --document-private-items
step try_xstate_patch
step try_smuggling_patch
step scripts/why-more.sh
# What cargo test does a few times, many times.
step scripts/crash.sh 100
SLOW_CLIENTS=480 step cargo test --quiet --test overload
step scripts/faults.sh
printf '\nAll checks passed.\n'
