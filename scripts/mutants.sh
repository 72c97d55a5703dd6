#!/usr/bin/env bash
# Changes one thing after the other in the code, and looks whether a test fails each time:
# scripts/mutants.sh [file...]
# Without a file: the two state machines and the delivery, which takes 6 minutes on two cores.
# Ends with status 1 if a change survives (MISSED): no test looks there.
# Needs cargo-mutants, and installs it where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo mutants --version > /dev/null 2>&1; then
    cargo install --locked cargo-mutants
fi
if [ $# = 0 ]; then
    # The delivery is found by its name, whatever its folder is called.
    set -- src/smtp/session.rs src/pop3/session.rs "$(find src -name delivery.rs)"
fi
files=()
for file; do
    if ! [ -f "$file" ]; then
        echo "there is no file $file" >&2
        exit 2
    fi
    files+=(--file "$file")
done

# The unit tests, and those in which strace sees what no unit test can: an fsync, a refusal of the
# system. `rename` is left out, whose loop is for Windows alone.
tests=(--bin=mini-smtpd --test=faults --test=faults_once --test=faults_pop3 --test=log)
status=0
# Where the system has a folder in memory, an fsync there costs nothing.
if [ -d /dev/shm ]; then export TMPDIR=/dev/shm; fi
cargo mutants --jobs 2 --timeout 120 --output target --exclude-re ' in rename$' "${files[@]}" \
    "${tests[@]/#/--cargo-arg=}" || status=$?
# Status 3 says that tests hung, and hides whether anything survived.
if [ -s target/mutants.out/missed.txt ]; then
    exit 1
fi
case $status in
    0) echo "Every change was noticed." ;;
    3) echo "Every change was noticed; in some a test hung." ;;
    *) exit "$status" ;;
esac
