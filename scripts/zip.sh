#!/usr/bin/env bash
# Makes a zip to unpack and run, with nothing to install: scripts/zip.sh FOLDER [SYSTEM PROGRAMS]
# Writes FOLDER/mini-smtpd-SYSTEM.zip. Without SYSTEM it is this one (linux, macos or windows), and the
# release is built first; else its programs lie in the folder PROGRAMS.
# CARGO_BUILD_TARGET=x86_64-unknown-linux-musl makes programs that run on any Linux. Needs git and Python 3.
set -euo pipefail
out=${1:?say where the zip goes: scripts/zip.sh FOLDER [SYSTEM PROGRAMS]}
mkdir -p "$out"
out=$(cd "$out" && pwd)

if [ $# -eq 3 ]; then
    system=$2
    programs=$(cd "$3" && pwd)
    cd "$(dirname "$0")/.."
else
    cd "$(dirname "$0")/.."
    case $(uname -s) in
        Linux) system=linux ;;
        Darwin) system=macos ;;
        *)
            system=windows
            # A Windows with nothing installed lacks the library that MSVC's programs load.
            export RUSTFLAGS="-C target-feature=+crt-static"
            ;;
    esac
    cargo build --release --bin mini-smtpd --bin lab --bin send --bin glass
    programs=${CARGO_TARGET_DIR:-target}/${CARGO_BUILD_TARGET:-}/release
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$work/mini-smtpd
mkdir "$folder"
suffix=
if [ "$system" = windows ]; then suffix=.exe; fi
for program in mini-smtpd lab send glass; do
    cp "$programs/$program$suffix" "$folder/"
    chmod 755 "$folder/$program$suffix"
done
# What git ignores stays here: mail and passwords. The labs read in the sources. docs/teacher has what
# students do not get.
git ls-files -z --cached --others --exclude-standard README.md LICENSE docs mailboxes src \
    ':!docs/teacher' |
    while IFS= read -r -d '' file; do
        mkdir -p "$folder/$(dirname "$file")"
        cp "$file" "$folder/$file"
    done

zip=$out/mini-smtpd-$system.zip
rm -f "$zip"
# `zip` is missing on many systems. Python keeps the executable bits, and on Windows may be called python.
python=python3
if ! $python -c '' 2> /dev/null; then python=python; fi
(cd "$work" && $python -m zipfile -c "$zip" mini-smtpd)
echo "$zip"
