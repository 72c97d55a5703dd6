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

# Names the English sections that changed after their translation. That is no failure: whoever mends
# the English need not know Vietnamese.
name_changed_sections() {
    cargo test --quiet --test translations every_translation -- --nocapture | grep '^warning' || true
}

# More random sessions than `cargo test` plays by itself, which is to be quick.
RANDOM_SESSIONS=3000 step cargo test
step name_changed_sections
step cargo fmt --check
step cargo clippy --all-targets -- -D warnings
RUSTDOCFLAGS='-D warnings' step cargo doc --no-deps --document-private-items
step try_xstate_patch
step scripts/labs.sh
step scripts/why-more.sh
# What cargo test does a few times, many times.
step scripts/crash.sh 100
SLOW_CLIENTS=480 step cargo test --quiet --test overload
GUESSES=20 step cargo test --quiet --test auth
step scripts/tls.sh
step scripts/faults.sh
step scripts/glass.sh
printf '\nAll checks passed.\n'
