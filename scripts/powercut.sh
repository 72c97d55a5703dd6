#!/usr/bin/env bash
# Cuts the power, as far as a disk can tell: the mailboxes lie on an ext4 image, which is copied while
# the server runs. The copy has what was submitted to the disk; what only the page cache had is lost.
# Everything acknowledged must be in the copy: in the mailbox, in the queue of mail that is sent on, and,
# once it has left the queue, in the next hop's mailbox. The control, a server whose fsync of a folder does
# nothing, must lose the last message, or this check proves nothing.
# Needs root and loop devices, and strace for the control; says so where they are missing.
set -euo pipefail
cd "$(dirname "$0")/.."

rounds=${1:-10}
work=$(mktemp -d)
server=
hop=
strace=
stop_hop() {
    if [ -n "$hop" ]; then kill "$hop" 2>/dev/null && wait "$hop" 2>/dev/null || true; hop=; fi
}
stop_server() {
    if [ -n "$strace" ]; then kill "$strace" 2>/dev/null && wait "$strace" 2>/dev/null || true; strace=; fi
    if [ -n "$server" ]; then kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true; server=; fi
}
clean_up() {
    stop_server
    stop_hop
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

# Sends message $1 to $2, which is acknowledged.
send() {
    printf 'Subject: message %s\n\ntext\n' "$1" |
        scripts/send.sh "$2" recipient@example.com "127.0.0.1:$port" > /dev/null
}

# Cuts the power; says how many messages are in folder $1 of the copy. The servers stand still meanwhile:
# a copy into which they write is of no moment.
cut_and_count() {
    kill -STOP "$server" ${hop:+"$hop"}
    cp "$work/image" "$work/copy"
    kill -CONT "$server" ${hop:+"$hop"}
    mount -o loop "$work/copy" "$work/after"
    find "$work/after/$1" -type f -size +0 | wc -l
    umount "$work/after"
}

# Sends message $1, which is acknowledged, and cuts the power; says how many are in the copy.
send_and_cut() {
    send "$1" recipient@example.com
    cut_and_count mailboxes/example.com/recipient/new
}

# Fails unless $2 messages were found where $3 are.
expect() {
    if [ "$2" != "$3" ]; then
        echo "LOST: $3 $1, $2 after the power cut"
        exit 1
    fi
}

start_server
for round in $(seq "$rounds"); do
    expect acknowledged "$(send_and_cut "$round")" "$round"
done
echo "$rounds power cuts, each right after a 250: lost 0"

# Nobody listens there: what is acknowledged waits.
mkdir -p "$work/disk/mailboxes/b.vn" "$work/disk/hop/b.vn/lan"
echo 127.0.0.1:1 > "$work/disk/mailboxes/b.vn/next-hop"
queue=mailboxes/b.vn/@queue/new
for round in $(seq "$rounds"); do
    send "$round" lan@b.vn
    expect "in the queue" "$(cut_and_count $queue)" "$round"
done
echo "$rounds power cuts, each right after a 250 for mail that waits in a queue: lost 0"

# The next hop comes, and takes all of them; then each new one, as soon as it has left the queue.
target/debug/mini-smtpd --listen 127.0.0.1:0 --pop3 off --mailboxes "$work/disk/hop" \
    > "$work/hop" 2> /dev/null &
hop=$!
until grep -qs 'listens on' "$work/hop"; do sleep 0.05; done
sed -n 's/.*listens on \(127.0.0.1:[0-9]*\) .*/\1/p' "$work/hop" > "$work/disk/mailboxes/b.vn/next-hop"
find "$work/disk/$queue" -type f -exec touch {} +
for round in $(seq 0 "$rounds"); do
    if [ "$round" != 0 ]; then send "$round" lan@b.vn; fi
    for _ in $(seq 200); do
        if [ -z "$(ls "$work/disk/$queue")" ]; then break; fi
        sleep 0.05
    done
    expect "sent on" "$(cut_and_count hop/b.vn/lan/new)" "$((rounds + round))"
done
stop_server
stop_hop
echo "$((rounds + 1)) power cuts, each right after mail has left its queue: lost 0"

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
