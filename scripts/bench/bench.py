"""Measures mini-smtpd beside other durable receivers, and writes docs/performance.md.

`scripts/bench.sh` builds and installs what this needs, and then runs it."""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import report
import servers
from load import Failed, Sessions, measure, send
from servers import Mini, Server, Skip, WORK

KIB = 1024
# What the table compares: the octets of a message, and whether a session is one connection.
LOADS = [(4 * KIB, False), (4 * KIB, True), (256 * KIB, False), (256 * KIB, True)]
SESSIONS = [1, 10, 100, 1000]
PARTS = ["table", "plot", "calls", "cost"]
# Rounds, and about how many seconds each measurement runs.
FULL = {"rounds": 9, "seconds": 0.7, "plot_rounds": 3, "plot_seconds": 0.6, "idle": 10}
QUICK = {"rounds": 3, "seconds": 0.2, "plot_rounds": 1, "plot_seconds": 0.2, "idle": 2}

began = time.monotonic()


def progress(text):
    print(f"[{time.monotonic() - began:5.0f} s] {text}", file=sys.stderr, flush=True)


class Running:
    """A server that is ended, whatever happens."""

    def __init__(self, server):
        self.server = server

    def __enter__(self) -> Server:
        try:
            self.server.start()
        except BaseException:
            self.server.stop()
            raise
        return self.server

    def __exit__(self, *_):
        self.server.stop()


def available(wanted):
    found = []
    for kind in servers.ALL:
        if wanted and kind.name.lower() not in wanted:
            continue
        try:
            kind().check()
            found.append(kind)
        except Skip as why:
            progress(f"skipped: {why}")
    return found


class Counts:
    """How many messages fill the time, found out once for each server and load."""

    def __init__(self, seconds):
        self.seconds, self.known = seconds, {}

    def of(self, server, load, size, sessions, together, least):
        key = (server.name, load)
        if sessions >= 1000:
            # No trial, which takes its time: what is known of fewer sessions will do.
            wanted = int(2 * self.known[server.name, 100] / self.seconds)
            return max(4 * sessions, min(wanted, 10 * sessions))
        if key not in self.known:
            # The trial counts for nothing, and warms up.
            trial = measure(server, max(sessions, 30), size, sessions, together)
            # No more than half a gibibyte on disk.
            most = min(30_000, 2**29 // size)
            wanted = int(trial["rate"] * self.seconds)
            self.known[key] = max(least, min(wanted, most))
        return self.known[key]


class Field:
    """All servers, running at once, of which one at a time is measured. A server that fails is out."""

    def __init__(self, kinds, threads=servers.THREADS):
        self.kinds, self.threads = kinds, threads
        self.stack, self.servers = contextlib.ExitStack(), []

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            for kind in self.kinds:
                try:
                    server = stack.enter_context(Running(kind(threads=self.threads)))
                    measure(server, 50, 4 * KIB)
                    self.servers.append(server)
                    progress(f"started {server.name}")
                except (Skip, Failed) as why:
                    progress(f"FAILED: {why}")
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def turns(self, number):
        """The servers, beginning with another one in each round."""
        first = number % max(len(self.servers), 1)
        return self.servers[first:] + self.servers[:first]

    def give_up(self, server, why):
        progress(f"FAILED: {why}")
        self.servers.remove(server)


def table(kinds, settings):
    """At each load all servers in turn; and that over several rounds."""
    counts, results = Counts(settings["seconds"]), {}
    with Field(kinds) as field:
        for number in range(settings["rounds"]):
            for size, together in LOADS:
                load = f"{size // KIB}-{'together' if together else 'each'}"
                for server in field.turns(number):
                    try:
                        count = counts.of(server, load, size, 10, together, 100)
                        result = measure(server, count, size, 10, together)
                    except Failed as why:
                        field.give_up(server, why)
                        continue
                    results.setdefault(load, {}).setdefault(server.name, []).append(result)
                    progress(f"round {number + 1}, {load}, {server.name}: "
                             f"{result['rate']:.0f} a second, {result['cpu']:.0f} us each")
    return in_order(results)


def in_order(results):
    """The servers in the order in which they are always named."""
    names = [kind.name for kind in servers.ALL]
    return {load: {name: found[name] for name in names if name in found}
            for load, found in results.items()}


def plot(kinds, settings):
    """Messages a second against sessions, each with one connection."""
    counts, results = Counts(settings["plot_seconds"]), {}
    with Field(kinds, threads=SESSIONS[-1] + 100) as field:
        for number in range(settings["plot_rounds"]):
            for sessions in SESSIONS:
                for server in field.turns(number):
                    try:
                        count = counts.of(server, sessions, 4 * KIB, sessions, True, 2 * sessions)
                        result = measure(server, count, 4 * KIB, sessions)
                    except Failed as why:
                        field.give_up(server, why)
                        continue
                    results.setdefault(server.name, {}).setdefault(sessions, []).append(result)
                    progress(f"round {number + 1}, {sessions} sessions, {server.name}: "
                             f"{result['steady']:.0f} a second")
    return {kind.name: results[kind.name] for kind in servers.ALL if kind.name in results}


def calls(kinds):
    """System calls for each message, counted by strace."""
    if not shutil.which("strace"):
        progress("skipped: counting system calls needs strace")
        return {}
    results, messages = {}, 200
    for kind in kinds:
        if kind.name not in ("mini-smtpd", "floor", "before"):
            continue
        with Running(kind()) as server:
            measure(server, 20, 4 * KIB)
            for size, together in LOADS:
                load = f"{size // KIB}-{'together' if together else 'each'}"
                counted = count_calls(server, messages, size, together)
                if counted is None:
                    progress("skipped: strace may not look at another process here")
                    return {}
                results.setdefault(load, {})[kind.name] = {
                    call: number / messages for call, number in counted.items()}
        progress(f"counted the system calls of {kind.name}")
    return results


def count_calls(server, messages, size, together):
    output = server.home / "strace"
    strace = subprocess.Popen(
        ["strace", "-f", "-c", "-o", str(output), "-p", str(server.process.pid)],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 5
        while not servers.status(server.process.pid, "TracerPid"):
            if strace.poll() is not None or time.monotonic() > until:
                return None
            time.sleep(0.05)
        time.sleep(0.3)
        send(server, messages, size, 10, together)
        time.sleep(0.3)
    finally:
        if strace.poll() is None:
            strace.send_signal(signal.SIGINT)
        strace.wait(10)
    counted = {}
    for line in output.read_text().splitlines():
        words = line.split()
        if len(words) >= 5 and words[0].replace(".", "").isdigit() and words[-1] != "total":
            counted[words[-1]] = int(words[3])
    return counted


def cost(settings):
    """mini-smtpd alone: does its cost grow in proportion?"""
    quick = settings is QUICK
    parts = {
        "recipients": lambda: cost_of_recipients(600 if quick else 2000),
        "sizes": lambda: cost_of_sizes(quick),
        "mailbox": lambda: cost_of_a_full_mailbox(settings["seconds"]),
        "log": lambda: cost_of_the_log(settings),
        "thousand": lambda: a_thousand_sessions(settings["idle"]),
        "thousands": lambda: eight_thousand_sessions(),
    }
    results = {}
    for name, part in parts.items():
        try:
            results[name] = part()
            progress(f"cost of {name}: {json.dumps(results[name])}")
        except (Skip, Failed, OSError) as why:
            progress(f"FAILED: {name}: {why}")
    return results


def cost_of_recipients(copies):
    rows = []
    with Running(Mini()) as server:
        # smtp-source puts a number before each recipient.
        for number in range(101):
            servers.make_maildir(server.mailbox.parent / f"{number}bench")
        send(server, 50, 4 * KIB)
        for recipients in (1, 10, 100):
            messages = max(copies // recipients, 20)
            cpu = server.cpu()
            seconds = send(server, messages, 4 * KIB, recipients=recipients)
            each = (server.cpu() - cpu) / messages * 1e6
            rows.append({"recipients": recipients, "rate": messages / seconds,
                         "copies": messages * recipients / seconds, "cpu": each,
                         "cpu_copy": each / recipients})
    return rows


def cost_of_sizes(quick):
    rows = []
    plan = [(4, 1000), (64, 400), (1024, 60), (16 * KIB, 6), (64 * KIB, 2)]
    with Running(Mini(flags=["--max-size", 2**30])) as server:
        send(server, 50, 4 * KIB)
        for kib, messages in plan:
            messages = max(messages // 3, 2) if quick else messages
            result = measure(server, messages, kib * KIB, sessions=2)
            rows.append({"kib": kib, "rate": result["rate"], "mib": result["rate"] * kib / KIB,
                         "cpu": result["cpu"], "cpu_mib": result["cpu"] / kib * KIB,
                         "peak": result["peak"]})
    return rows


def cost_of_a_full_mailbox(seconds):
    rows, there = [], 0
    with Running(Mini()) as server:
        measure(server, 50, 4 * KIB)
        count = int(measure(server, 200, 4 * KIB)["rate"] * seconds)
    with Running(Mini()) as server:
        for wanted in (1, 1000, 10_000, 100_000):
            for number in range(there, wanted):
                name = f"1700000000.M{number:06}P1Q{number}.localhost"
                os.close(os.open(server.mailbox / "new" / name, os.O_CREAT | os.O_WRONLY, 0o600))
            os.sync()
            rates, cpus = [], []
            # The mails of a run stay, and count for the next one.
            for _ in range(3):
                cpu = server.cpu()
                rates.append(count / send(server, count, 4 * KIB))
                cpus.append((server.cpu() - cpu) / count * 1e6)
            rows.append({"there": wanted, "rate": statistics.median(rates),
                         "cpu": statistics.median(cpus)})
            there = wanted
    return rows


def cost_of_the_log(settings):
    """The table is measured without the log's lines; this is what they cost, into a file."""
    rows, count = {}, None
    for _ in range(min(settings["rounds"], 3)):
        for log in ("warn", "info"):
            with Running(Mini(log=log)) as server:
                trial = measure(server, 100, 4 * KIB)
                count = count or max(100, int(trial["rate"] * settings["seconds"]))
                result = measure(server, count, 4 * KIB)
                rows.setdefault(log, []).append(result["cpu"])
    return {log: statistics.median(cpus) for log, cpus in rows.items()}


def a_thousand_sessions(idle):
    with Running(Mini(threads=1)) as server:
        bare = server.resident()
    # 1,250 threads, of which 1,000 are four fifths: the server does not hurry its clients yet.
    with Running(Mini(threads=1250)) as server:
        at_rest = server.resident()
        sessions = Sessions(server.port, 1000)
        try:
            sessions.say(b"EHLO bench\r\n", b"250")
            sessions.say(b"MAIL FROM:<bench@example.org>\r\n", b"250")
            sessions.say(b"RCPT TO:<bench@example.com>\r\n", b"250")
            resident = server.resident()
            time.sleep(1)
            cpu, clock = server.cpu(), time.monotonic()
            time.sleep(idle)
            load = (server.cpu() - cpu) / (time.monotonic() - clock)
        finally:
            sessions.close()
    return {"bare": bare, "at_rest": at_rest, "resident": resident,
            "each": (resident - bare) / 1000, "idle": load, "idle_seconds": idle}


def eight_thousand_sessions():
    limit = servers.raise_file_limit(32_000)
    count = min(8000, limit - 2000)
    # Each session is a socket, and while it delivers also a file and a folder: so they take turns if
    # there are not handles enough.
    wave = min(count, (limit - count - 200) // 2)
    if count < 8000:
        progress(f"only {limit} files may be open: {count} sessions instead of 8,000")
    server = Mini(threads=10_000)
    clock = time.monotonic()
    with Running(server):
        start_up = time.monotonic() - clock
        at_rest = server.resident()
        clock = time.monotonic()
        sessions = Sessions(server.port, count)
        try:
            greeted, resident = time.monotonic() - clock, server.resident()
            sessions.say(b"HELO bench\r\n", b"250")
            sessions.say(b"MAIL FROM:<bench@example.org>\r\n", b"250")
            sessions.say(b"RCPT TO:<bench@example.com>\r\n", b"250")
            past_rcpt = server.resident()
            clock = time.monotonic()
            for first in range(0, count, wave):
                some = slice(first, first + wave)
                sessions.say(b"DATA\r\n", b"354", some)
                sessions.say(b"Subject: one of many\r\n\r\ntext\r\n.\r\n", b"250", some)
            delivered = time.monotonic() - clock
        finally:
            sessions.close()
        return {"sessions": count, "start_up": start_up, "at_rest": at_rest, "greeted": greeted, "wave": wave,
                "resident": max(resident, past_rcpt), "delivered": delivered,
                "stored": server.stored(), "peak": server.peak()}


def machine():
    """The machine in a line."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^(?:model name|Hardware|Processor)\s*: (.*)$", cpuinfo, re.M)
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    kernel = re.match(r"[0-9.]+", os.uname().release)[0].rstrip(".")
    kind = subprocess.run(["stat", "-f", "-c", "%T", str(WORK)], stdout=subprocess.PIPE, text=True)
    file_system = {"ext2/ext3": "ext4"}.get(kind.stdout.strip(), kind.stdout.strip())
    device = os.stat(WORK).st_dev
    disk = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    if file_system == "ext4" and not list(Path("/proc/fs/jbd2").glob(f"{disk}-*")):
        file_system = "ext4 without a journal"
    times = []
    path = WORK / "fsync"
    for _ in range(100):
        with open(path, "wb") as file:
            file.write(bytes(4 * KIB))
            file.flush()
            clock = time.monotonic()
            os.fsync(file.fileno())
            times.append(time.monotonic() - clock)
    path.unlink()
    return {"model": model[1].strip() if model else os.uname().machine, "cores": os.cpu_count(),
            "memory": int(memory[1]) / KIB / KIB, "kernel": kernel, "file_system": file_system,
            "fsync": statistics.median(times)}


def arguments():
    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh", description="Compares mini-smtpd with other durable receivers.")
    parser.add_argument("--quick", action="store_true", help="about a minute, for a first look")
    parser.add_argument("--rounds", type=int, help="rounds of the table")
    parser.add_argument("--servers", help="only these, as in mini-smtpd,floor")
    parser.add_argument("--before", type=Path, metavar="PROGRAM",
                        help="compare with an older build of the server, too")
    parser.add_argument("--parts", help=f"only these, of {','.join(PARTS)}")
    parser.add_argument("--relay", action="store_true",
                        help="only sending on, beside Postfix (this runs relay.py)")
    parser.add_argument("--render", action="store_true",
                        help="only write the document again, from the figures of the last run")
    return parser.parse_args()


def main():
    args = arguments()
    figures = WORK / "figures.json"
    if args.render:
        report.write(json.loads(figures.read_text()))
        return
    settings = QUICK if args.quick else FULL
    if args.rounds:
        settings["rounds"] = args.rounds
    parts = args.parts.split(",") if args.parts else PARTS
    servers.Before.binary = args.before
    kinds = available(args.servers.lower().split(",") if args.servers else None)
    servers.raise_file_limit(5000)
    results = {"quick": args.quick, "rounds": settings["rounds"], "machine": machine(),
               "notes": {kind.name: kind.note for kind in kinds}}
    servers.new_run()
    try:
        run(parts, kinds, settings, results)
        print(report.text(results), flush=True)
        if args.before or args.servers or args.parts:
            progress("a part of the whole: docs/performance.md stays as it is")
        else:
            figures.write_text(json.dumps(results, indent=1))
            report.write(results)
            progress("wrote docs/performance.md and docs/performance.svg")
    finally:
        progress("removing the mails of this run")
        servers.end_run()


def run(parts, kinds, settings, results):
    if "table" in parts:
        results["table"] = table(kinds, settings)
    if "plot" in parts:
        results["plot"] = plot(kinds, settings)
    if "calls" in parts:
        results["calls"] = calls(kinds)
    if "cost" in parts:
        results["cost"] = cost(settings)


if __name__ == "__main__":
    # So that an end from outside ends the servers, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
