#!/usr/bin/env bash
# Lets every system call of a delivery, of a POP3 session and of sending on fail, or kill the server, at its n-th call,
# for every n.
# Needs strace; says so where it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo test --quiet --test faults --test faults_pop3 --test faults_relay -- --ignored --nocapture --test-threads 1
