"""A Sender-SMTP: gives one mail, from standard input, to one server (RFC 5321)."""

import socket
import sys


class Refused(Exception):
    """A 5yz reply: do not try again."""


class Later(Exception):
    """A 4yz reply, or none that can be understood: try again later."""


class Server:
    """The server at the other end."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.connection = socket.create_connection((host, int(port)), timeout=300)
        self.lines = self.connection.makefile("rb")

    def hear(self):
        """One whole reply: its code. The last line has a blank after the code (§4.2.1)."""
        while True:
            line = self.lines.readline()
            if not line.endswith(b"\n") or not line[:3].isdigit():
                raise Later
            if line[3:4] != b"-":
                return int(line[:3])

    def ask(self, command):
        self.connection.sendall(command.encode("utf-8") + b"\r\n")
        return self.hear()

    def expect(self, code, wanted):
        """Only the first digit of a refusal tells whether it is for ever."""
        if code // 100 != wanted:
            raise Refused if code // 100 == 5 else Later

    def quit(self):
        try:
            self.ask("QUIT")
        except (OSError, Later):
            pass


def wire_form(text):
    """Lines end in CRLF, and a dot at the beginning of a line is doubled (§4.5.2)."""
    lines = text.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    lines = [line.removesuffix(b"\r") for line in lines]
    return b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)


def send(server, sender, recipients, text):
    server.expect(server.hear(), 2)
    code = server.ask("EHLO [127.0.0.1]")
    if code // 100 == 5:
        code = server.ask("HELO [127.0.0.1]")
    server.expect(code, 2)
    server.expect(server.ask(f"MAIL FROM:<{sender}>"), 2)
    codes = [server.ask(f"RCPT TO:<{recipient}>") for recipient in recipients]
    if any(code // 100 == 2 for code in codes):
        server.expect(server.ask("DATA"), 3)
        server.connection.sendall(wire_form(text))
        server.expect(server.ask("."), 2)
    for code in codes:
        server.expect(code, 2)


def main():
    later, refused, _, address, sender, *recipients = sys.argv[1:]
    text = sys.stdin.buffer.read()
    try:
        server = Server(address)
        try:
            send(server, sender, recipients, text)
        finally:
            server.quit()
    except Refused:
        sys.exit(int(refused))
    except (Later, OSError):
        sys.exit(int(later))


if __name__ == "__main__":
    main()
