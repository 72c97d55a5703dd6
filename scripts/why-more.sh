#!/usr/bin/env bash
# Plays docs/why-more.md with tiny and with the server: what the page shows must happen.
# A block of bash is followed by what it prints with each of the two; a conversation passes with the
# server, and with tiny it differs as the page says.
set -euo pipefail
cd "$(dirname "$0")/.."

page=docs/why-more.md
# A piece of bash has so many seconds.
patience=30
work=$(mktemp -d)
piece=
# Each piece is a process group of its own, so that what it starts ends with it.
set -m
end_piece() {
    if [ -n "$piece" ]; then kill -KILL -- "-$piece" 2>/dev/null || true; fi
    piece=
}
trap 'end_piece; rm -rf "$work"' EXIT
failed=0
fail() { echo "FAIL  $*"; failed=1; }

cargo build --quiet --bins
bin=$PWD/target/debug
tiny="$bin/tiny 127.0.0.1:{port} {mailboxes}"
server="$bin/mini-smtpd --listen 127.0.0.1:{port} --pop3 off --mailboxes {mailboxes}"

# Writes each block of the page to a file: 3.sh, 3.tiny and 3.server are those of section 3.
# Writes to `wanted` what comes of each conversation with tiny: ok, or what is heard instead.
cut_page() {
    awk -v work="$work" '
        /^## / { section++ }
        /^```/ && file { close(file); file = ""; next }
        /^```sh$/ { file = work "/" section + 0 ".sh"; after = "sh"; next }
        /^```smtp$/ { file = "/dev/null"; after = "smtp"; outcomes[++count] = "ok"; next }
        /^```text (tiny|server)$/ {
            file = after == "sh" ? work "/" section "." $2 : "/dev/null"
            is_tiny = $2 == "tiny"
            next
        }
        /^expected: / && after == "smtp" && is_tiny { outcomes[count] = $0 }
        /^heard: / && after == "smtp" && is_tiny { outcomes[count] = outcomes[count] " " $0 }
        file { print > file }
        END { for (i = 1; i <= count; i++) print outcomes[i] > (work "/wanted") }
    ' "$page"
}

# Runs the bash of section $1 with the program $2, in a folder of its own, and compares.
run_piece() {
    local section=$1 name=$2 began=$SECONDS command=${!2} folder port
    folder=$work/$section-$name
    mkdir -p "$folder/mailboxes/nuce.edu.vn/hung"
    # lab and the tests do not use these ports, and no system gives them to a client.
    port=$((32000 + (RANDOM + $$) % 768))
    while (: <> /dev/tcp/127.0.0.1/$port) 2>/dev/null; do port=$((port - 1)); done
    command=${command//\{port\}/$port}
    {
        echo "work='$folder' port=$port program='${command//\{mailboxes\}/$folder/mailboxes}'"
        cat "$work/0.sh" "$work/$section.sh"
    } > "$folder/piece"
    bash "$folder/piece" > "$folder/out" 2>&1 < /dev/null & piece=$!
    while kill -0 "$piece" 2>/dev/null; do
        if [ $((SECONDS - began)) -gt $patience ]; then break; fi
        sleep 0.1
    done
    end_piece
    if diff "$work/$section.$name" "$folder/out" > "$folder/diff"; then
        echo "ok    section $section with $name"
    else
        fail "section $section with $name: < as on the page, > as it was"
        cat "$folder/diff"
    fi
}

# Plays the conversations with both.
play() {
    local play="$bin/lab play --patience 3s"
    # Who started this script in the background may have switched Ctrl-C off for all that it starts.
    if env --default-signal=INT true 2>/dev/null; then play="env --default-signal=INT $play"; fi
    if ! $play --start "$server {flags}" "$page"; then
        fail "the server must pass every conversation"
    fi
    $play --start "$tiny {flags}" "$page" > "$work/played" || true
    awk '
        { sub(/^ +/, ""); sub(/; the program has ended.*/, "") }
        /^ok / { print "ok" }
        /^expected: / { expected = $0 }
        /^heard: / { print expected " " $0 }
    ' "$work/played" > "$work/heard"
    # The first one is the good day.
    if tail -n +2 "$work/wanted" | grep -qx ok; then
        fail "a conversation does not say what tiny does"
    elif diff "$work/wanted" "$work/heard" > "$work/diff"; then
        echo "ok    every conversation with tiny"
    else
        fail "the conversations with tiny: < as on the page, > as it was"
        cat "$work/diff" "$work/played"
    fi
}

cut_page
play
for sh in "$work"/[1-9]*.sh; do
    section=$(basename "$sh" .sh)
    if grep -q strace "$sh" && ! strace -o /dev/null true 2>/dev/null; then
        echo "skip  section $section: there is no strace here, or it may not be used"
        continue
    fi
    run_piece "$section" tiny
    run_piece "$section" server
done
if [ "$(wc -l < src/bin/tiny.rs)" -ge 150 ]; then fail "tiny has 150 lines or more"; fi
exit $failed
