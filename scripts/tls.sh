#!/usr/bin/env bash
# Tries docs/stunnel.conf: sends and collects mail through each of its ports, with real clients.
# Needs stunnel, openssl, Python 3 and curl (Debian: stunnel4); without stunnel nothing is tried.
# swaks is tried if it is installed and knows TLS, IMAP if Dovecot is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'tls: %s\n' "$*"; }

PATH=$PATH:/usr/sbin
for program in stunnel openssl python3 curl timeout; do
    if ! command -v "$program" > /dev/null; then
        say "skipped: $program is not installed (Debian: apt install stunnel4 openssl python3 curl coreutils)"
        exit 0
    fi
done

cargo build --quiet --bin mini-smtpd
server=${CARGO_TARGET_DIR:-target}/debug/mini-smtpd
folder=$(mktemp -d)
started=()
# What was started is stopped by its number; nothing else is touched.
trap 'kill "${started[@]}" 2> /dev/null || true; wait; rm -rf "$folder"' EXIT

# Eight free ports. Somebody may take one before we do: then a step below fails, and says so.
read -r smtp submission pop3 imap starttls smtps pop3s imaps < <(python3 -c '
import socket
sockets = [socket.socket() for _ in range(8)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')

# Waits until something listens on port $1.
await() {
    for _ in {1..100}; do
        if (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null; then return; fi
        sleep 0.05
    done
    say "FAILED: nothing listens on port $1"
    tail -n 5 "$folder"/*.log
    exit 1
}

# Runs a command for at most ten seconds and says what came of it: `step what command…`.
step() {
    local what=$1
    shift
    if ! timeout 10 "$@" > "$folder/step.log" 2>&1; then
        say "FAILED: $what"
        tail -n 20 "$folder/step.log"
        exit 1
    fi
    say "$what"
}

# The same for a command that must fail, and say something that matches $2.
refused() {
    local what=$1 reason=$2
    shift 2
    if timeout 10 "$@" > "$folder/step.log" 2>&1 || ! grep -q -- "$reason" "$folder/step.log"; then
        say "FAILED: $what"
        tail -n 20 "$folder/step.log"
        exit 1
    fi
    say "$what"
}

# The certificate comes from the line in the file itself, and the ports become free ones.
mkdir -p "$folder/target/stunnel" "$folder/mailboxes/nuce.edu.vn/"{hung,toan,postmaster}
(cd "$folder" && eval "$(sed -n 's/^# *\(openssl req .*\)/\1/p' "$OLDPWD/docs/stunnel.conf")" 2> openssl.log)
certificate=$folder/target/stunnel/cert.pem
sed "s|:1587\$|:$submission|; s|:1110\$|:$pop3|; s|:1143\$|:$imap|; s|:2587\$|:$starttls|
     s|:2465\$|:$smtps|; s|:2995\$|:$pop3s|; s|:2993\$|:$imaps|" docs/stunnel.conf > "$folder/stunnel.conf"
for user in hung toan; do
    printf 'a-password\n' > "$folder/mailboxes/nuce.edu.vn/$user/password"
    chmod 600 "$folder/mailboxes/nuce.edu.vn/$user/password"
done

"$server" --listen "127.0.0.1:$smtp" --submission "127.0.0.1:$submission" --pop3 "127.0.0.1:$pop3" \
    --show --mailboxes "$folder/mailboxes" > /dev/null 2> "$folder/server.log" &
started+=($!)
(cd "$folder" && exec stunnel stunnel.conf) 2> "$folder/stunnel.log" &
started+=($!)
for port in "$submission" "$pop3" "$starttls" "$smtps" "$pop3s"; do await "$port"; done

cat > "$folder/client.py" <<'PYTHON'
"""One mail, sent or collected through TLS: client.py what port certificate [subject...]"""
import imaplib, poplib, smtplib, ssl, sys

what, port, certificate, *subjects = sys.argv[1:]
trust = ssl.create_default_context(cafile=certificate)


def send(server):
    server.login("hung@nuce.edu.vn", "a-password")
    text = f"Subject: {subjects[0]}\r\n\r\nBlah blah blah...\r\n"
    server.sendmail("hung@nuce.edu.vn", ["toan@nuce.edu.vn"], text)
    server.quit()


def check(mails):
    """Each mail has come once, from a user who logged in."""
    for subject in subjects:
        found = [mail for mail in mails if f"Subject: {subject}\r\n".encode() in mail]
        assert len(found) == 1, (subject, len(found))
        assert b" with ESMTPA id " in found[0], found[0]
    assert len(mails) == len(subjects), len(mails)


if what == "starttls":
    server = smtplib.SMTP("127.0.0.1", int(port), timeout=5)
    server.starttls(context=trust)
    send(server)
elif what == "smtps":
    send(smtplib.SMTP_SSL("127.0.0.1", int(port), timeout=5, context=trust))
elif what == "clear":
    send(smtplib.SMTP("127.0.0.1", int(port), timeout=5))
elif what == "pop3s":
    drop = poplib.POP3_SSL("127.0.0.1", int(port), timeout=5, context=trust)
    drop.user("toan")
    drop.pass_("a-password")
    count = len(drop.list()[1])
    check([b"\r\n".join(drop.retr(n + 1)[1]) + b"\r\n" for n in range(count)])
    drop.quit()
elif what == "imaps":
    server = imaplib.IMAP4_SSL("127.0.0.1", int(port), ssl_context=trust, timeout=5)
    server.login("toan@nuce.edu.vn", "a-password")
    count = int(server.select(readonly=True)[1][0])
    check([server.fetch(str(n + 1), "(RFC822)")[1][0][1] for n in range(count)])
    server.logout()
PYTHON
python=(python3 "$folder/client.py")

# curl gets its text from a file: `step` takes no pipes.
printf 'Subject: curl\r\n\r\nBlah blah blah...\r\n' > "$folder/mail.txt"
curl=(curl --silent --show-error --max-time 8 -u hung:a-password --mail-from hung@nuce.edu.vn
    --mail-rcpt toan@nuce.edu.vn --upload-file "$folder/mail.txt")
subjects=(one two curl)

step "a mail sent by Python, STARTTLS" "${python[@]}" starttls "$starttls" "$certificate" one
step "a mail sent by Python, TLS from the first octet" "${python[@]}" smtps "$smtps" "$certificate" two
step "a mail sent by curl, STARTTLS" \
    "${curl[@]}" --ssl-reqd --cacert "$certificate" "smtp://127.0.0.1:$starttls/client.example"
if command -v swaks > /dev/null && swaks --support 2>&1 | grep '=== TLS supported' > /dev/null; then
    step "a mail sent by swaks, TLS from the first octet" swaks --timeout 8 --silent 2 \
        --server "127.0.0.1:$smtps" -tlsc --tls-verify --tls-ca-path "$certificate" \
        --from hung@nuce.edu.vn --to toan@nuce.edu.vn --header 'Subject: swaks' \
        -a PLAIN -au hung -ap a-password
    subjects+=(swaks)
else
    say "skipped: swaks is not installed, or knows no TLS (Debian: libnet-ssleay-perl)"
fi
refused "a client that does not trust the certificate says no password" "certificate" \
    "${curl[@]}" "smtps://127.0.0.1:$smtps/client.example"
refused "without STARTTLS, stunnel takes no password" "SMTP AUTH extension not supported" \
    "${python[@]}" clear "$starttls" "$certificate" never
# -quiet: else s_client takes the R of RCPT for a command of its own.
step "openssl s_client is offered AUTH behind STARTTLS" bash -c "
    { sleep 0.5; printf 'EHLO client\nQUIT\n'; sleep 0.5; } |
    openssl s_client -quiet -crlf -starttls smtp -verify_return_error -CAfile '$certificate' \
        -connect 127.0.0.1:$starttls | grep '^250 AUTH PLAIN'"

if command -v dovecot > /dev/null; then
    mkdir -p "$folder/target/dovecot"
    # Dovecot gives nobody the number 0, so that root lends it another user's.
    owner=$(id -un)
    if [ "$owner" = root ]; then owner=nobody && chown -R nobody "$folder" && chmod 711 "$folder"; fi
    sed "s|FOLDER|$folder|g; s|USER|$owner|g; s|GROUP|$(id -gn "$owner")|g; s|port = 1143|port = $imap|" \
        docs/dovecot.conf > "$folder/dovecot.conf"
    dovecot -F -c "$folder/dovecot.conf" 2> "$folder/dovecot.log" &
    started+=($!)
    await "$imap"
    step "all mails read by Python, IMAP with TLS" "${python[@]}" imaps "$imaps" "$certificate" "${subjects[@]}"
else
    say "skipped: IMAP, since Dovecot is not installed (Debian: dovecot-imapd)"
fi
step "all mails collected by Python, POP3 with TLS" \
    "${python[@]}" pop3s "$pop3s" "$certificate" "${subjects[@]}"
secrets=(-e a-password)
for user in hung hung@nuce.edu.vn; do
    # Its last eight letters say nothing but the end of the password.
    response=$(printf '\0%s\0a-password' "$user" | base64)
    secrets+=(-e "${response: -8}")
done
if grep "${secrets[@]}" "$folder/server.log" "$folder/stunnel.log"; then
    say "FAILED: a password is in a log"
    exit 1
fi
say "no password is in the logs of the server and of stunnel"
