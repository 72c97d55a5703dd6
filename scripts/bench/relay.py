"""Measures mini-smtpd as a relay beside Postfix, and writes the table into docs/performance.md.

Each relay sends to a mini-smtpd of its own, whose mailbox is the end of the way. `scripts/bench.sh --relay`
builds what this needs, and then runs it: less than 90 seconds."""

import os
import sys
import time
from datetime import date

import report
import servers
from bench import KIB, Running, machine, progress
from load import Failed, send, wait_until_stored
from servers import ROOT, Mini, Postfix, Skip

MESSAGES, ROUNDS = 1000, 3
BEGIN, END = "<!-- relay: begin -->", "<!-- relay: end -->"


class Relay:
    """What both relays have in common: the server behind them, whose mailbox is counted."""

    def start(self):
        self.last = Mini()
        self.last.start()
        super().start()

    def stop(self):
        super().stop()
        self.last.stop()

    def stored(self):
        return self.last.stored()


class MiniRelay(Relay, Mini):
    def launch(self):
        # The sender is somebody here, and nobody at example.com is.
        servers.make_maildir(self.mailboxes / "example.org" / "bench")
        (self.mailboxes / "example.org" / "postmaster").mkdir()
        self.mailbox.rename(self.home / "unused")
        (self.mailboxes / "example.com" / "next-hop").write_text(f"127.0.0.1:{self.last.port}\n")
        super().launch()


class PostfixRelay(Relay, Postfix):
    def destination(self, etc, mail):
        return f"relay_domains = example.com\nrelayhost = [127.0.0.1]:{self.last.port}"


def measure(server, messages):
    """The seconds until the last message is in the last mailbox, and the CPU of the relay alone."""
    before = server.stored()
    server.forget_peak()
    cpu = server.cpu()
    accepted = send(server, messages, 4 * KIB)
    seconds = accepted + wait_until_stored(server, before + messages)
    # What a relay does after the last delivery is part of the price.
    time.sleep(0.3)
    return {"rate": messages / seconds, "accepted": messages / accepted, "peak": server.peak(),
            "cpu": (server.cpu() - cpu) / messages * 1e6}


def run():
    results = {}
    with Running(MiniRelay()) as mini, Running(PostfixRelay()) as postfix:
        for server in (mini, postfix):
            measure(server, 50)
        for number in range(ROUNDS):
            for server in (mini, postfix) if number % 2 == 0 else (postfix, mini):
                result = measure(server, MESSAGES)
                results.setdefault(server.name, []).append(result)
                progress(f"round {number + 1}, {server.name}: {result['rate']:.0f} a second, "
                         f"{result['cpu']:.0f} us each")
    return results


def text(results, facts, load):
    of = lambda name, key: [result[key] for result in results[name]]
    body = [[name, report.spread(of(name, "rate")), report.spread(of(name, "cpu")),
             report.number(max(of(name, "peak")) / KIB)] for name in results]
    table = report.rows(["relay", "messages a second", "CPU µs a message", "peak MiB"], body)
    rate, cpu = (report.spread(report.over(*results.values(), key)) for key in ("rate", "cpu"))
    return "\n\n".join([
        report.prose(f"Measured on {date.today().isoformat()}, on: {facts['model']}, {facts['cores']} cores, "
                     f"Linux {facts['kernel']}, {facts['file_system']}; {ROUNDS} rounds of {MESSAGES:,} "
                     f"messages. The load average was {load:.1f} when it began."),
        table,
        report.prose(f"In the same round, mini-smtpd has {rate} times Postfix's rate, and uses {cpu} times "
                     "its CPU.")])


def main():
    for kind in (Mini, Postfix):
        kind().check()
    facts = machine()
    servers.new_run()
    try:
        load = os.getloadavg()[0]
        found = text(run(), facts, load)
    finally:
        servers.end_run()
    print(found)
    page = ROOT / "docs" / "performance.md"
    before, rest = page.read_text().split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{found}\n{END}{rest.split(END)[1]}")
    progress("wrote the table of the relays into docs/performance.md")


if __name__ == "__main__":
    try:
        main()
    except (Skip, Failed) as why:
        sys.exit(f"bench: {why}")
