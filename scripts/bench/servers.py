"""The servers that are compared: how each is started, watched and ended."""

import os
import pwd
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "bench"
RUN = WORK / "run"
MINI = ROOT / "target" / "release" / "mini-smtpd"
CRATES = WORK / "cargo" / "release"
VENV = WORK / "venv"
# As many sessions as the server serves at once unless it is told otherwise.
THREADS = 64
TICK = os.sysconf("SC_CLK_TCK")


class Skip(Exception):
    """A server that cannot be measured here, and why."""


def constant(path, name):
    """A constant of the server's source: `const BLOCK: usize = 32 * 1024;`."""
    text = (ROOT / "src" / path).read_text()
    found = re.search(rf"const {name}: usize = ([0-9_* ]+);", text)
    if not found:
        raise SystemExit(f"bench: no constant {name} in src/{path}; the floor reads it there")
    product = 1
    for factor in found[1].split("*"):
        product *= int(factor)
    return product


# Read once, right after the build: the source may change while this runs.
STACK = constant("pool.rs", "STACK")
READ_BUFFER = constant("channel/line.rs", "READ_BUFFER")
BLOCK = constant("mailboxes/delivery.rs", "BLOCK")


def new_run():
    """Makes the folder of this run.

    ext4 without a journal looks at each inode that was freed in the last minutes before it gives a new
    one away, and that would count as the servers' CPU. So no file is removed during a run, and `T` tells
    ext4 to look for room far away from where the last run was."""
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    subprocess.run(["chattr", "+T", str(RUN)], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                   check=False)


def end_run():
    """Removes the mails of this run, but not what the servers printed."""
    for mailboxes in (*RUN.glob("*/mailboxes"), *RUN.glob("*/queue")):
        shutil.rmtree(mailboxes, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_maildir(folder):
    for name in ("tmp", "new", "cur"):
        (folder / name).mkdir(parents=True, exist_ok=True)


def status(pid, field):
    """A number of /proc/PID/status, or 0 if the process is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(rf"^{field}:\s+(\d+)", text, re.M)
    return int(found[1]) if found else 0


def cpu_of(pid):
    """The seconds of CPU that a process has used, to the nanosecond: all its threads, also ended ones."""
    try:
        # The clock of another process, as clock_getcpuclockid(3) makes it.
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return 0.0


class Server:
    """One process that serves from a folder of its own. The servers below fill in `command`."""

    name = ""
    note = ""
    # The most sessions at once that it is asked for.
    most_sessions = 10_000

    def __init__(self, threads=THREADS, flags=(), log="warn", user="bench"):
        self.threads, self.flags, self.log, self.user = threads, list(flags), log, user
        # Each start has a folder of its own, and nothing is removed before the end: see `new_run`.
        self.home = RUN / f"{self.name}-{time.time_ns()}"
        self.mailboxes = self.home / "mailboxes"
        self.mailbox = self.mailboxes / "example.com" / user
        self.process = None

    def check(self):
        """Raises `Skip` if the server is not here."""

    def command(self):
        raise NotImplementedError

    def start(self):
        self.mailbox.mkdir(parents=True)
        make_maildir(self.mailbox)
        (self.mailboxes / "example.com" / "postmaster").mkdir()
        self.port = free_port()
        self.launch()
        self.wait_for_greeting()

    def launch(self):
        output = open(self.home / "output", "wb")
        environment = dict(os.environ, RUST_LOG=self.log)
        self.process = subprocess.Popen(
            [str(word) for word in self.command()], stdout=output, stderr=output,
            stdin=subprocess.DEVNULL, env=environment, start_new_session=True)

    def wait_for_greeting(self, seconds=30):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process and self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), 10) as s:
                    if s.recv(100).startswith(b"220"):
                        s.sendall(b"QUIT\r\n")
                        s.recv(100)
                        return
            except OSError:
                pass
            time.sleep(0.005)
        raise Skip(f"{self.name} does not start: see {self.home / 'output'}")

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(8)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def pids(self):
        return [self.process.pid]

    def cpu(self):
        return sum(cpu_of(pid) for pid in self.pids())

    def forget_peak(self):
        """Lets the kernel measure the peak of resident memory anew."""
        for pid in self.pids():
            try:
                Path(f"/proc/{pid}/clear_refs").write_text("5")
            except OSError:
                pass

    def peak(self):
        """The peak of resident memory in KiB."""
        return sum(status(pid, "VmHWM") for pid in self.pids())

    def resident(self):
        return sum(status(pid, "VmRSS") for pid in self.pids())

    def stored(self):
        """How many messages are in the mailbox, those of earlier measurements included."""
        with os.scandir(self.mailbox / "new") as entries:
            return sum(1 for _ in entries)

    def steady_rate(self, since):
        """Mails a second among those stored after `since`, without the first and the last tenth."""
        with os.scandir(self.mailbox / "new") as entries:
            times = sorted(t for t in (entry.stat().st_mtime for entry in entries) if t >= since)
        tenth = len(times) // 10
        middle = times[tenth:len(times) - tenth]
        return len(middle) / max(middle[-1] - middle[0], 1e-3)

    def shrink(self):
        """Gives back the room of large mails. The files stay: see `new_run`."""
        with os.scandir(self.mailbox / "new") as entries:
            for entry in entries:
                if entry.stat().st_size > 16 * 1024:
                    os.truncate(entry.path, 0)


class Mini(Server):
    name = "mini-smtpd"
    binary = MINI

    def command(self):
        return [self.binary, "--listen", f"127.0.0.1:{self.port}", "--pop3", "off", "--mailboxes", self.mailboxes,
                "--threads", self.threads, *self.flags]

    def check(self):
        if not (self.binary and self.binary.exists()):
            raise Skip(f"{self.name} is not built")


class Before(Mini):
    """mini-smtpd as it was before a change, if `--before` names its program."""

    name = "before"
    note = "mini-smtpd as it was before the change that is measured"
    binary = None


class Floor(Server):
    name = "floor"
    note = "a bare loop with the same system calls; it understands no SMTP"

    def command(self):
        return [CRATES / "bench-floor", f"127.0.0.1:{self.port}", self.mailbox, self.threads,
                STACK, READ_BUFFER, BLOCK]

    def check(self):
        if not (CRATES / "bench-floor").exists():
            raise Skip("floor is not built")


class Mailin(Server):
    name = "mailin"
    note = "mailin-embedded 0.8 with a handler that stores in the same steps"

    def command(self):
        return [CRATES / "bench-mailin", f"127.0.0.1:{self.port}", self.mailboxes, self.threads,
                BLOCK]

    def check(self):
        if not (CRATES / "bench-mailin").exists():
            raise Skip("mailin-embedded could not be built")


class Aiosmtpd(Server):
    name = "aiosmtpd"
    note = ("one process, asyncio, its Mailbox handler: Python's Maildir syncs the file and not the "
            "folder")

    def command(self):
        return [VENV / "bin" / "python", "-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Mailbox",
                "-l", f"127.0.0.1:{self.port}", self.mailbox]

    def check(self):
        if not (VENV / "bin" / "aiosmtpd").exists():
            raise Skip("aiosmtpd could not be installed")


class Postfix(Server):
    name = "Postfix"
    note = ("virtual delivery to a Maildir; syncs its queue file and the mailbox file and no folder; "
            "the rate counts what is in the Maildir; the memory is the sum of its processes' shares")

    def check(self):
        if not shutil.which("postfix", path="/usr/sbin:" + os.environ["PATH"]):
            raise Skip("Postfix is not installed")
        if os.geteuid() != 0:
            raise Skip("Postfix needs root to start")

    def postfix(self, verb):
        # It writes to the terminal and leaves daemons behind that would hold a pipe open.
        with open(self.home / "output", "ab") as output:
            done = subprocess.run(["/usr/sbin/postfix", "-c", str(self.home / "etc"), verb],
                                  stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=60)
        return done.returncode == 0

    def destination(self, etc, mail):
        """The part of main.cf that says what becomes of a mail."""
        (etc / "users").write_text(f"{self.user}@example.com example.com/{self.user}/\n")
        return f"""\
virtual_mailbox_domains = example.com
virtual_mailbox_base = {self.mailboxes}
virtual_mailbox_maps = texthash:{etc}/users
virtual_uid_maps = static:{mail.pw_uid}
virtual_gid_maps = static:{mail.pw_gid}
virtual_minimum_uid = 1"""

    def launch(self):
        etc, owner = self.home / "etc", pwd.getpwnam("postfix")
        mail = pwd.getpwnam("nobody")
        for name in ("etc", "queue", "data"):
            (self.home / name).mkdir()
        os.chown(self.home / "data", owner.pw_uid, owner.pw_gid)
        for folder in (self.mailbox.parent, self.mailbox, *self.mailbox.iterdir()):
            os.chown(folder, mail.pw_uid, mail.pw_gid)
        programs = subprocess.run(["/usr/sbin/postconf", "-dh", "daemon_directory"], check=True,
                                  stdout=subprocess.PIPE, text=True).stdout.strip()
        (etc / "main.cf").write_text(f"""\
compatibility_level = 3.6
queue_directory = {self.home}/queue
data_directory = {self.home}/data
daemon_directory = {programs}
maillog_file = {self.home}/mail.log
maillog_file_prefixes = {self.home}
myhostname = localhost
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
alias_maps =
alias_database =
local_recipient_maps =
{self.destination(etc, mail)}
# Else it would slow down the client so that the queue stays short.
in_flow_delay = 0
""")
        services = []
        for path in ("/usr/share/postfix/master.cf.dist", "/etc/postfix/master.cf"):
            if os.path.exists(path):
                services = Path(path).read_text().splitlines()
                break
        lines = []
        for line in services:
            words = line.split()
            if len(words) >= 8 and not line.startswith(("#", " ")):
                if words[:2] == ["smtp", "inet"]:
                    words[0] = f"127.0.0.1:{self.port}"
                elif words[1] == "inet" or words[7] == "pipe":
                    continue
                words[4] = "n"
                lines.append(" ".join(words))
        if not any("postlog" in line for line in lines):
            lines.append("postlog unix-dgram n - n - 1 postlogd")
        (etc / "master.cf").write_text("\n".join(lines) + "\n")
        if not self.postfix("start"):
            raise Skip(f"Postfix does not start: see {self.home / 'output'}")
        self.master = int((self.home / "queue/pid/master.pid").read_text())

    def stop(self):
        master = getattr(self, "master", None)
        if master is None:
            return
        self.postfix("stop")
        until = time.monotonic() + 10
        while os.path.exists(f"/proc/{master}") and time.monotonic() < until:
            time.sleep(0.05)
        if os.path.exists(f"/proc/{master}"):
            for pid in self.pids():
                os.kill(pid, signal.SIGKILL)
        self.master = None

    def pids(self):
        """The master and its children."""
        pids = [self.master]
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parent = stat.read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if int(parent) == self.master:
                pids.append(int(stat.parent.name))
        return pids

    def cpu(self):
        """The processes that run, and those that the master has seen end."""
        fields = Path(f"/proc/{self.master}/stat").read_text().rpartition(")")[2].split()
        ended = (int(fields[13]) + int(fields[14])) / TICK
        return ended + super().cpu()

    def peak(self):
        """Its processes share most pages; so this sums what each has of them, at the end."""
        total = 0
        for pid in self.pids():
            try:
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])
        return total


ALL = [Mini, Before, Floor, Mailin, Postfix, Aiosmtpd]


def raise_file_limit(wanted):
    """Allows this process and its children more open files, and says how many it has now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), max(hard, wanted)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
