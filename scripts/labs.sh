#!/usr/bin/env bash
# Plays the conversations of the labs and of docs/relay.md with servers that are broken on purpose. Each
# must differ there in the line that the table names, and pass with the right server.
set -euo pipefail
cd "$(dirname "$0")/.."

# The page, which of its conversations, the broken server, and the line in which they must differ.
table='
0-install.md 1 tiny S: 220 localhost *
0-rust.md 1 tiny S: 220 localhost *
1-first-mail.md 1 1-the-header-decides.patch M: hung@nuce.edu.vn 1
2-order-of-commands.md 1 2-no-recipient.patch S: 503 Send RCPT first, and have one accepted (RFC 5321 3.3)
3-transparency.md 1 3-dots-stay.patch S2: ..dotfile
3-transparency.md 1 7-smuggling.patch S: 554 5.6.0 A line of the message does not end in CRLF, *; nothing was stored (RFC 5321 2.3.8)
4-many-recipients.md 1 4-one-copy-each-time.patch M: hung@nuce.edu.vn 1
4-many-recipients.md 2 4-those-that-can.patch S: 451 The mailbox cannot be used now; try later (RFC 5321 4.2.3)
5-three-threads.md 1 5-time-for-each-read.patch S8: 220 *
5-three-threads.md 2 5-never-forgets.patch S4: 220 *
6-250-means-stored.md 1 tiny M: hung@nuce.edu.vn 1
6-250-means-stored.md 2 6-250-first.patch M: hung@nuce.edu.vn 1
7-smuggling.md 1 7-smuggling.patch S: 554 The end is <CRLF>.<CRLF>; this dot had other line ends around it; nothing was stored, closing *
8-real-client.md 1 8-no-size.patch S: 250 2.1.0 OK
9-wireshark.md 1 9-one-read-one-line.patch S: 250 OK
11-pop3.md 1 11-dele-deletes.patch M: hung@nuce.edu.vn 1
12-the-cost-of-250.md 1 6-250-first.patch M: hung@nuce.edu.vn 1
13-who-are-you.md 1 13-guessing.patch S: 535 5.7.8 Wrong name or password, *
14-from-alice-to-bob.md 1 14-all-again.patch C3: RCPT TO:<binh@someschool.edu>
15-a-small-internet.md 1 14-hop-refuses-mail.patch S4: 220 someschool.edu
relay.md 1 14-dots-alone.patch C2: ..How about pickles?
relay.md 2 6-250-first.patch S2: +OK *1 message*
relay.md 3 14-all-again.patch C3: DATA
relay.md 4 14-once.patch M: @queue@crepes.fr 1
relay.md 5 14-hop-refuses-mail.patch S3: 421 crepes.fr is closing
relay.md 6 14-552-is-never.patch S3: 220 crepes.fr
relay.md 7 14-any-reply.patch C2: (closed)
relay.md 8 14-no-report.patch M: tuan@nuce.edu.vn contains Return-Path: <>
relay.md 9 14-removed-before-the-report.patch M: @queue@crepes.fr 1
relay.md 10 14-for-ever.patch M: tuan@nuce.edu.vn contains given up; at last, crepes.fr takes no mail now
relay.md 11 14-no-count.patch S3: 554 More than 100 Received: lines: this mail runs in a loop *
relay.md 12 14-removed-first.patch M: @queue@crepes.fr 1
relay.md 13 14-no-way-back.patch S: 550 5.7.1 This could be sent on, but a report could not go back: *
'
# Not played so: the conversation of lab 10 is an exercise, and its patch breaks nothing.
exempt='10-reading-the-code.md 10-xstate.patch'

folder=$PWD/target/labs
source=$folder/source
bin=$PWD/target/debug
flags='--listen 127.0.0.1:{port} --submission {submission} --pop3 {pop3} --mailboxes {mailboxes} {flags}'
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
fail() { echo "FAIL  $*"; failed=1; }
play() { "$bin/lab" play --patience 5s --start "$1" "${@:2}"; }

# Copies what the server is built from to one place, so that Cargo builds only what a patch changes.
copy_source() {
    rm -rf "$source"
    mkdir -p "$source"
    git ls-files -z --cached --others --exclude-standard -- Cargo.toml Cargo.lock src |
        while IFS= read -r -d '' file; do if [ -e "$file" ]; then printf '%s\0' "$file"; fi; done |
        tar --null -T - -cf - | tar -xf - -C "$source"
    # Inside another repository, git apply would leave out every file.
    git -C "$source" init -q .
}

# Builds the server with the patch $1, and takes the patch out again.
build() {
    git -C "$source" apply "$PWD/docs/labs/$1"
    CARGO_TARGET_DIR=$folder CARGO_PROFILE_DEV_DEBUG=0 RUSTFLAGS=-Awarnings \
        cargo build --quiet --manifest-path "$source/Cargo.toml" --bin mini-smtpd ||
        { echo "FAIL  with $1 the server does not build"; exit 1; }
    git -C "$source" apply -R "$PWD/docs/labs/$1"
    mv "$folder/debug/mini-smtpd" "$work/$1"
}

# Where the page $1 is: a lab's, or one beside the labs.
find_page() { if [ -e "docs/labs/$1" ]; then echo "docs/labs/$1"; else echo "docs/$1"; fi; }

# Writes the conversation number $2 of page $1 to a file of its own.
cut_conversation() {
    awk -v wanted="$2" '/^```smtp/ { count++ } count == wanted; /^```$/ && count == wanted { exit }' \
        "$(find_page "$1")" > "$work/$1"
}

# Plays conversation $2 of page $1 with the broken server $3, which must differ in the line $4.
must_differ() {
    local command="$work/$3 $flags"
    if [ "$3" = tiny ]; then command="$bin/tiny 127.0.0.1:{port} {mailboxes} {flags}"; fi
    cut_conversation "$1" "$2"
    if play "$command" "$work/$1" > "$work/played"; then
        fail "$1, conversation $2, passes with $3"
    elif grep -qxF "      expected: $4" "$work/played"; then
        echo "ok    $1, conversation $2, differs with $3"
    else
        fail "$1, conversation $2, must differ with $3 in: $4"
        cat "$work/played"
    fi
}

# Plays the attack $1, which must succeed with the patch $2 and with nothing else.
must_succeed() {
    play "$work/$2 $flags" "docs/labs/$1" || fail "$1 must pass with $2"
    if play "$bin/mini-smtpd $flags" "docs/labs/$1" > /dev/null; then
        fail "the server must not pass $1"
    fi
}

# Every conversation of a lab must stand in the table, and every patch.
check_table() {
    local file count number
    for file in docs/labs/*.md docs/labs/*.patch docs/relay.md; do
        file=${file##*/}
        if [[ " $exempt " == *" $file "* ]]; then continue; fi
        if [[ $file == *.patch ]]; then
            grep -qF " $file " <<< "$table" || fail "no conversation is played with $file"
            continue
        fi
        count=$(grep -c '^```smtp' "$(find_page "$file")" || true)
        for ((number = 1; number <= count; number++)); do
            grep -q "^$file $number " <<< "$table" || fail "the table lacks conversation $number of $file"
        done
    done
}

cargo build --quiet --bins
check_table
copy_source
for patch in $(grep -o '[^ ]*\.patch' <<< "$table" | sort -u); do build "$patch"; done
while read -r page number server line; do
    if [ -n "$page" ]; then must_differ "$page" "$number" "$server" "$line"; fi
done <<< "$table"
must_succeed 7-smuggled.smtp.txt 7-smuggling.patch
must_succeed 13-guessed.smtp.txt 13-guessing.patch
play "$bin/mini-smtpd $flags" docs/labs/*.md docs/relay.md || fail "the server must pass every conversation"
exit $failed
