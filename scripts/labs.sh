#!/usr/bin/env bash
# Plays the conversations of the labs with servers that are broken on purpose. Each conversation must
# differ there in the line that the table names, and pass with the right server.
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

# Writes the conversation number $2 of page $1 to a file of its own.
cut_conversation() {
    awk -v wanted="$2" '/^```smtp/ { count++ } count == wanted; /^```$/ && count == wanted { exit }' \
        "docs/labs/$1" > "$work/$1"
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
    for file in docs/labs/*.md docs/labs/*.patch; do
        file=${file##*/}
        if [[ " $exempt " == *" $file "* ]]; then continue; fi
        if [[ $file == *.patch ]]; then
            grep -qF " $file " <<< "$table" || fail "no conversation is played with $file"
            continue
        fi
        count=$(grep -c '^```smtp' "docs/labs/$file" || true)
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
play "$bin/mini-smtpd $flags" docs/labs/*.md || fail "the server must pass every conversation"
exit $failed
