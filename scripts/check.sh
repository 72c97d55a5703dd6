#!/usr/bin/env bash
# Runs everything that has to pass before a change lands. Needs the Rust toolchain and git.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$*"; "$@"; }

# What README shows must work: its patch applies, and the server still passes its tests.
try_readme_patch() {
    local copy
    copy=$(mktemp -d)
    git ls-files -z | tar --null -T - -cf - | tar -xf - -C "$copy"
    awk '/^```diff$/ { on = 1; next } /^```$/ { on = 0 } on' README.md > "$copy/xstate.patch"
    (
        cd "$copy"
        git init -q .
        git apply --check xstate.patch
        git apply xstate.patch
        CARGO_TARGET_DIR="$OLDPWD/target/readme-patch" cargo test --quiet --bin mini-smtpd
    )
    rm -rf "$copy"
}

step cargo test
step cargo fmt --check
step cargo clippy --all-targets -- -D warnings
RUSTDOCFLAGS='-D warnings' step cargo doc --no-deps --document-private-items
step try_readme_patch
printf '\nAll checks passed.\n'
