#!/usr/bin/env bash
# Cuts the power, as far as a disk can tell: the mailboxes lie on an ext4 image, which is copied while
# the server runs. The copy has what was submitted to the disk; what only the page cache had is lost.
# Everything acknowledged must be in the copy. The control, a server whose fsync of a folder does
# nothing, must lose the last message, or this check proves nothing.
# Needs root and loop devices, and strace for the control; says so where they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-10}
work=$(mktemp -d)
server=
strace=
stop_server() {
    if [ -n "$strace" ]; then kill "$strace" 2>/dev/null && wait "$strace" 2>/dev/null || true; strace=; fi
    if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; server=; fi
}
clean_up() {
    stop_server
    umount "$work/disk" 2>/dev/null || true
    umount "$work/after" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

mkdir "$work/disk" "$work/after"
truncate -s 32M "$work/image"
if [ "$(id -u)" != 0 ] || ! command -v mkfs.ext4 curl >/dev/null ||
    ! mkfs.ext4 -q "$work/image" || ! mount -o loop "$work/image" "$work/disk" 2>/dev/null; then
    echo "skipped: the power cut needs root, loop devices, mkfs.ext4 and curl"
    exit 0
fi

cargo build --quiet --bin mini-smtpd
mkdir -p "$work/disk/mailboxes/example.com/recipient"/{tmp,new,cur}
sync -f "$work/disk"

start_server() {
    rm -f "$work/out"
    target/debug/mini-smtpd --listen 127.0.0.1:0 --pop3 off --mailboxes "$work/disk/mailboxes" \
        > "$work/out" 2> "$work/log" &
    server=$!
    until grep -qs 'listens on' "$work/out"; do sleep 0.05; done
    port=$(sed -n 's/.*listens on 127.0.0.1:\([0-9]*\) .*/\1/p' "$work/out")
}

# Sends message $1, which is acknowledged, and cuts the power; says how many are in the copy.
send_and_cut() {
    printf 'Subject: message %s\n\ntext\n' "$1" |
        scripts/send.sh recipient@example.com tuan@nuce.edu.vn "127.0.0.1:$port" > /dev/null
    cp "$work/image" "$work/copy"
    mount -o loop "$work/copy" "$work/after"
    find "$work/after/mailboxes/example.com/recipient/new" -type f -size +0 | wc -l
    umount "$work/after"
}

start_server
for round in $(seq "$rounds"); do
    found=$(send_and_cut "$round")
    if [ "$found" != "$round" ]; then
        echo "LOST: $round acknowledged, $found after the power cut"
        exit 1
    fi
done
stop_server
echo "$rounds power cuts, each right after a 250: lost 0"

if ! command -v strace > /dev/null; then
    echo "skipped: the control needs strace"
    exit 0
fi
rm -f "$work/disk/mailboxes/example.com/recipient/new"/*
sync -f "$work/disk"
start_server
# The worker's fsyncs take turns, file and folder: every second one only says that it was done.
strace -f -qq -o /dev/null -e trace=fsync -e inject=fsync:retval=0:when=2+2 -p "$server" 2> "$work/strace" &
strace=$!
sleep 1
found=$(send_and_cut 1)
stop_server
if [ "$found" = 0 ]; then
    echo "control, without the folder's fsync: 1 acknowledged, 0 after the power cut, as expected"
else
    echo "the control lost nothing: this check cannot fail, so it proves nothing"
    exit 1
fi
