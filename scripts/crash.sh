#!/usr/bin/env bash
# Kills the server at random moments under load and looks for what it acknowledged:
# scripts/crash.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/.."
CRASH_ROUNDS=${1:-100} cargo test --quiet --test crash --test crash_relay -- --nocapture
