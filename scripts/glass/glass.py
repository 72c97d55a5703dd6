"""`cargo glass` as it runs for a test, and clients of the server behind it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))


def build():
    subprocess.run(["cargo", "build", "--quiet", "--bins"], cwd=ROOT, check=True)


class Glass:
    """One glass, with a server and a mailbox tree of its own."""

    def __init__(self, *flags, server=(), folder="debug"):
        self.tree = tempfile.mkdtemp(prefix="glass-tree-")
        for mailbox in ["hung", "toan", "tuan", "postmaster"]:
            os.makedirs(os.path.join(self.tree, "nuce.edu.vn", mailbox))
        words = [os.path.join(TARGET, folder, "glass"), "--port", "0", *flags, "--",
                 "--listen", "127.0.0.1:0", "--pop3", "off", "--mailboxes", self.tree, *server]
        # Without this word it takes the server that lies beside it.
        environment = {name: value for name, value in os.environ.items() if name != "CARGO"}
        self.process = subprocess.Popen(words, env=environment, stdout=subprocess.PIPE,
                                        stdin=subprocess.DEVNULL, text=True)
        self.page = self.port = None
        while self.page is None:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("glass did not start")
            if found := re.search(r"listens on [0-9.]+:(\d+)", line):
                self.port = int(found[1])
            if found := re.search(r"http://\S+", line):
                self.page = found[0]

    def client(self, *lines):
        client = Client(self.port)
        for line in lines:
            client.ask(line)
        return client

    def close(self):
        """Presses Ctrl-C, and gives the exit status."""
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(timeout=20)
        shutil.rmtree(self.tree, ignore_errors=True)
        return status


class Client:
    """One connection to the server, which was greeted."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")
        self.greeting = self.hear()

    def hear(self):
        while True:
            line = self.file.readline().decode()
            if line[3:4] != "-":
                return line

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")

    def ask(self, line):
        self.say(line)
        return self.hear()

    def close(self):
        self.file.close()
        self.socket.close()
