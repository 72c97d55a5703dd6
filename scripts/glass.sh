#!/usr/bin/env bash
# Tests the page of cargo glass in a real browser; --pictures FOLDER keeps pictures of the moments that
# are tested. Skipped with a line where Python or Chromium is missing. Two more, with the same needs:
#   python3 scripts/glass/picture.py   makes docs/glass.png, the picture in README
#   python3 scripts/glass/cost.py      measures what glass costs the server (on Linux, no browser)
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v python3 > /dev/null; then
    echo "glass: skipped, there is no Python here"
    exit 0
fi
exec python3 scripts/glass/test.py "$@"
