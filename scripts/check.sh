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

# What the labs show must work, too: with the patch docs/labs/$1.patch the server passes the
# conversation docs/labs/$2.smtp.txt, an attack that the right server must not pass.
try_lab_patch() {
    local patch=docs/labs/$1.patch attack=docs/labs/$2.smtp.txt copy
    copy=$(mktemp -d)
    copy_project "$copy"
    git -C "$copy" init -q .
    git -C "$copy" apply "$patch"
    CARGO_TARGET_DIR="$PWD/target/lab-patch" \
        cargo build --quiet --manifest-path "$copy/Cargo.toml" --bin mini-smtpd
    local start="--listen 127.0.0.1:{port} --submission {submission} --pop3 off"
    start="$start --mailboxes {mailboxes} {flags}"
    target/debug/lab play --start "target/lab-patch/debug/mini-smtpd $start" "$attack"
    if target/debug/lab play --start "target/debug/mini-smtpd $start" "$attack"; then
        echo "the server must not pass $attack"
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
step try_lab_patch 7-smuggling 7-smuggled
step try_lab_patch 13-guessing 13-guessed
step scripts/why-more.sh
# What cargo test does a few times, many times.
step scripts/crash.sh 100
SLOW_CLIENTS=480 step cargo test --quiet --test overload
GUESSES=20 step cargo test --quiet --test auth
step scripts/tls.sh
step scripts/faults.sh
printf '\nAll checks passed.\n'
