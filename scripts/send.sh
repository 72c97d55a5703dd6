#!/usr/bin/env bash
# Sends a mail with curl: scripts/send.sh [recipient [sender [host:port]]]
# Reads the text from standard input, or sends a short one if that is a terminal.
set -euo pipefail
recipient=${1:-hung@nuce.edu.vn}
sender=${2:-tuan@nuce.edu.vn}
server=${3:-127.0.0.1:2525}

if [ -t 0 ]; then
    text=$(printf 'From: <%s>\nTo: <%s>\nSubject: Sent by curl\n\nBlah blah blah...' "$sender" "$recipient")
else
    text=$(cat)
fi
# --crlf: lines end in CRLF on the wire, whatever they end in here.
printf '%s\n' "$text" |
    curl --silent --show-error --crlf --mail-from "$sender" --mail-rcpt "$recipient" \
        --upload-file - "smtp://$server/client.example"
echo "sent to $recipient"
