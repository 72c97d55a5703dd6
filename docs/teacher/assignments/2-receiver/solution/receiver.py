"""A Receiver-SMTP: takes mail for the folders of a mailbox tree (RFC 5321)."""

import os
import socket
import sys
import threading
import uuid


def find(mailboxes, address):
    """The folder of an address, if it receives mail here."""
    user, at, domain = address.lower().rpartition("@")
    is_plain = all(name and all(c.isalnum() or c in "._-" for c in name) and name[0] != "."
                   for name in (user, domain))
    folder = os.path.join(mailboxes, domain, user)
    return folder if at and is_plain and os.path.isdir(folder) else None


def address_in(argument):
    """The address between < and >."""
    begin, end = argument.find("<"), argument.rfind(">")
    return argument[begin + 1:end] if 0 <= begin < end else None


def store(folders, lines):
    """Writes the message to tmp/ of each recipient, then moves it to new/: nobody sees half a mail."""
    name = f"{uuid.uuid4().hex}.receiver"
    for folder in folders:
        for part in ("tmp", "new", "cur"):
            os.makedirs(os.path.join(folder, part), exist_ok=True)
        with open(os.path.join(folder, "tmp", name), "wb") as file:
            file.writelines(line + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
    for folder in folders:
        os.rename(os.path.join(folder, "tmp", name), os.path.join(folder, "new", name))


class Session:
    """One client."""

    def __init__(self, connection, mailboxes):
        self.connection = connection
        self.lines = connection.makefile("rb")
        self.mailboxes = mailboxes
        self.greeted = False
        self.reset()

    def reset(self):
        self.sender = None
        self.folders = []

    def say(self, reply):
        self.connection.sendall(reply.encode("ascii") + b"\r\n")

    def hear(self):
        """The next line without its CRLF; None when the client has gone."""
        line = self.lines.readline()
        return line[:-1].removesuffix(b"\r") if line.endswith(b"\n") else None

    def run(self):
        self.say("220 localhost Receiver")
        while (line := self.hear()) is not None:
            verb, _, argument = line.decode("latin-1").partition(" ")
            reply = self.answer(verb.upper(), argument.strip())
            if reply is None:
                return
            self.say(reply)
            if reply.startswith("221"):
                return

    def answer(self, verb, argument):
        """The reply to one command; None when the client has gone."""
        if verb == "QUIT":
            return "221 Bye"
        if verb == "NOOP":
            return "250 OK"
        if verb == "RSET":
            self.reset()
            return "250 OK"
        if verb in ("HELO", "EHLO"):
            self.greeted = True
            self.reset()
            return "250 localhost"
        if verb == "MAIL":
            return self.mail(argument)
        if verb == "RCPT":
            return self.rcpt(argument)
        if verb == "DATA":
            return self.data()
        return "500 Command unrecognized"

    def mail(self, argument):
        if not self.greeted:
            return "503 Send HELO first"
        if self.sender is not None:
            return "503 One sender for each mail"
        sender = address_in(argument)
        if not argument.upper().startswith("FROM:") or sender is None:
            return "501 Syntax: MAIL FROM:<address>"
        self.sender = sender
        return "250 OK"

    def rcpt(self, argument):
        if self.sender is None:
            return "503 Send MAIL first"
        recipient = address_in(argument)
        if not argument.upper().startswith("TO:") or recipient is None:
            return "501 Syntax: RCPT TO:<address>"
        folder = find(self.mailboxes, recipient)
        if folder is None:
            return "550 No such user here"
        if folder not in self.folders:
            self.folders.append(folder)
        return "250 OK"

    def data(self):
        if not self.folders:
            return "503 Send RCPT first"
        self.say("354 End with a dot alone on its line")
        text = [f"Return-Path: <{self.sender}>".encode("latin-1")]
        while (line := self.hear()) is not None:
            if line == b".":
                store(self.folders, text)
                self.reset()
                return "250 OK"
            text.append(line.removeprefix(b"."))
        return None


def serve(connection, mailboxes):
    with connection:
        Session(connection, mailboxes).run()


def main():
    port, mailboxes = int(sys.argv[1]), sys.argv[2]
    with socket.create_server(("127.0.0.1", port)) as listener:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, mailboxes), daemon=True).start()


if __name__ == "__main__":
    main()
