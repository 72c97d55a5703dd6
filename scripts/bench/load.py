"""The load: Postfix's smtp-source for throughput, and plain sockets to hold many sessions."""

import shutil
import socket
import subprocess
import time

SMTP_SOURCE = shutil.which("smtp-source", path="/usr/sbin:/usr/bin:/usr/local/sbin")
PATIENCE = 90


class Failed(Exception):
    """A run that did not deliver what it should."""


def send(server, messages, size, sessions=10, together=True, recipients=1, to="bench"):
    """Sends messages and returns the seconds until the last one was answered with 250."""
    command = [SMTP_SOURCE, "-s", sessions, "-m", messages, "-l", size, "-r", recipients,
               "-C", "20", "-M", "bench", "-f", "bench@example.org", "-t", f"{to}@example.com"]
    if together:
        # One connection for all messages of a session; else one for each.
        command.append("-d")
    command.append(f"127.0.0.1:{server.port}")
    began = time.monotonic()
    try:
        done = subprocess.run([str(word) for word in command], timeout=PATIENCE,
                              stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
    except subprocess.TimeoutExpired:
        raise Failed(f"{server.name}: {messages} messages took more than {PATIENCE} s") from None
    if done.returncode != 0:
        raise Failed(f"{server.name}: {done.stderr.strip()[:200]}")
    return time.monotonic() - began


def wait_until_stored(server, messages):
    """Waits until exactly so many messages are in the mailbox, and returns the seconds."""
    began = time.monotonic()
    while (stored := server.stored()) < messages:
        if time.monotonic() - began > PATIENCE:
            raise Failed(f"{server.name}: {stored} of {messages} messages are in the mailbox")
        time.sleep(0.03)
    if stored > messages:
        raise Failed(f"{server.name}: {stored} messages are in the mailbox, not {messages}")
    return time.monotonic() - began


def measure(server, messages, size, sessions=10, together=True):
    """Sends messages and returns what that took."""
    before = server.stored()
    server.forget_peak()
    cpu, clock = server.cpu(), time.time()
    # The clock of a file system may be a tick behind.
    clock -= 0.01
    accepted = send(server, messages, size, sessions, together)
    stored = accepted + wait_until_stored(server, before + messages)
    # What a server does after its last reply is part of the price.
    time.sleep(0.05)
    result = {
        "messages": messages,
        "rate": messages / stored,
        "accepted": messages / accepted,
        "cpu": (server.cpu() - cpu) / messages * 1e6,
        "peak": server.peak(),
        # Without the time in which the sessions are made.
        "steady": server.steady_rate(clock),
    }
    if size > 16 * 1024:
        server.shrink()
    return result


class Sessions:
    """Many sessions with one server, in step: a line to each, then a reply from each."""

    def __init__(self, port, count):
        self.sockets = []
        try:
            for _ in range(count):
                s = socket.create_connection(("127.0.0.1", port), 30)
                self.sockets.append(s)
                self.expect(s, b"220")
        except BaseException:
            self.close()
            raise

    def say(self, line, code, some=slice(None)):
        for s in self.sockets[some]:
            s.sendall(line)
        for s in self.sockets[some]:
            self.expect(s, code)

    def expect(self, s, code):
        # One reply is one write of the server, and nothing else is under way.
        reply = s.recv(2048)
        while not reply.endswith(b"\n"):
            more = s.recv(2048)
            if not more:
                break
            reply += more
        if not reply.startswith(code):
            raise Failed(f"wanted {code.decode()}, heard {reply[:100]!r}")

    def close(self):
        for s in self.sockets:
            s.close()
        self.sockets = []
