"""The figures as Markdown, and their place in docs/performance.md."""

import statistics
import textwrap

import plot
from servers import ROOT

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
LOADS = {
    "4-each": "4 KiB, a connection for each message",
    "4-together": "4 KiB, one connection for all",
    "256-each": "256 KiB, a connection for each message",
    "256-together": "256 KiB, one connection for all",
}

INTRODUCTION = f"""\
# How fast it is, and what that costs

How fast can a server be that says 250 only when the mail is on disk? It has to accept, read, reply,
create a file, write, fsync, rename, fsync the folder, and close. No receiver that keeps this
promise can leave these system calls out, so a program that makes them and does nothing else is the
floor. What a server needs beyond the floor is the price of its own code.

The tables and the plot are written by `scripts/bench.sh`, which measures all servers side by side
in one run, about five minutes long. Run it for the figures of your own machine: they depend most of
all on how long its disk takes for an fsync.

## What is measured

- **The load**: Postfix's `smtp-source` sends messages of 4 KiB and 256 KiB in 10 sessions at once,
  over 127.0.0.1. It either makes a new connection for each message, or keeps one in each session.
- **Messages a second**: from the first connection until the last message is in the mailbox.
- **CPU**: what the server's processes use for one message, in user code and in the kernel. The
  client's part is not in it. This figure says more about the server's code than the first, which is
  mostly the disk's.
- **× floor**: that CPU, divided by the floor's in the same round.
- **Peak memory**: the most that was resident at once.

The servers run side by side and take turns, one under load and the others idle: at each load each
of them once, and then the next round. So when the machine has a slow minute, it is slow for all.
Each figure is the median of the rounds; the smallest and the largest stand in brackets. mini-smtpd
runs with `RUST_LOG=warn`, because most of the others print no line for each mail either.

No mail is removed during a run. ext4 without a journal does not give away an inode that was freed
in the last minutes, and looks at each of them before it finds another; with a mailbox that is
emptied between the rounds, about half of the CPU went into that search.

"""

OUTRO = """
## What was changed, with prediction and outcome

TODO by the lead
"""


def number(x):
    if x >= 100:
        return f"{x:,.0f}"
    return f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def spread(values):
    middle, low, high = (number(f(values)) for f in (statistics.median, min, max))
    return f"{middle} ({low}–{high})"


def prose(text):
    """A paragraph or a point of a list, in lines as long as those of the other documents."""
    indent = "  " if text.startswith("- ") else ""
    return textwrap.fill(text, 100, subsequent_indent=indent, break_long_words=False,
                         break_on_hyphens=False)


def rows(head, body):
    """A Markdown table; all columns but the first are figures."""
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in body]
    return "\n".join(lines)


def over(rounds, other, field):
    """The ratio in each round."""
    return [a[field] / b[field] for a, b in zip(rounds, other) if b[field]]


def machine(results):
    m = results["machine"]
    quick = " This was a quick run: its figures are rough." if results["quick"] else ""
    return (f"Measured on: {m['model']}, {m['cores']} cores, {m['memory']:.0f} GiB, Linux {m['kernel']}, "
            f"{m['file_system']}, where the fsync of a new file of 4 KiB takes {m['fsync'] * 1e6:.0f} µs; "
            f"{results['rounds']} rounds.{quick}")


def main_table(results):
    blocks = []
    for load, title in LOADS.items():
        servers = results["table"].get(load)
        if not servers:
            continue
        floor = servers.get("floor", [])
        body = []
        for name, rounds in servers.items():
            ratio = spread(over(rounds, floor, "cpu")) if floor else "-"
            if name == "floor":
                ratio = "1"
            body.append([name, spread([r["rate"] for r in rounds]), spread([r["cpu"] for r in rounds]),
                         ratio, number(max(r["peak"] for r in rounds) / 1024)])
        head = [title, "messages a second", "CPU µs a message", "× floor", "peak MiB"]
        blocks.append(rows(head, body))
    notes = [f"- **{name}**: {note}." for name, note in results["notes"].items() if note]
    postfix = {load: servers["Postfix"] for load, servers in results["table"].items()
               if "Postfix" in servers}
    if postfix:
        rates = [number(statistics.median(r["accepted"] for r in rounds)) for rounds in postfix.values()]
        notes.append("- Postfix answers 250 when a message is in its queue, and delivers after that. Counted "
                     f"until the last 250 it takes {', '.join(rates)} messages a second, in the order "
                     "of the tables.")
    notes.append("- mini-smtpd, the floor and mailin sync the file and its folder before the 250.")
    return "\n\n".join(blocks) + "\n\n" + "\n".join(map(prose, notes))


def comparison(results):
    """mini-smtpd against each of the others, in the same rounds."""
    columns = [("floor", "cpu", "CPU / floor's"), ("mailin", "cpu", "CPU / mailin's"),
               ("Postfix", "cpu", "CPU / Postfix's"), ("Postfix", "rate", "rate / Postfix's"),
               ("aiosmtpd", "rate", "rate / aiosmtpd's")]
    if any("before" in servers for servers in results["table"].values()):
        columns = [("before", "cpu", "CPU / before's"), ("before", "rate", "rate / before's"), *columns]
    body = []
    for load, title in LOADS.items():
        servers = results["table"].get(load, {})
        ours = servers.get("mini-smtpd")
        if ours:
            body.append([title] + [spread(over(ours, servers[name], field)) if name in servers else "-"
                                   for name, field, _ in columns])
    if not body:
        return ""
    return ("\n\n" + prose("mini-smtpd beside the others, as ratios in the same round (below 1 is less CPU, "
                           "above 1 is a higher rate):") + "\n\n" + rows(["load"] + [title for *_, title in columns], body))


def plot_table(results):
    sessions = sorted({int(s) for points in results["plot"].values() for s in points})
    body = []
    for name, points in results["plot"].items():
        points = {int(s): rounds for s, rounds in points.items()}
        body.append([name] + [spread([r["steady"] for r in points[s]]) if s in points else "-"
                              for s in sessions])
    head = ["messages a second, of 4 KiB"] + [f"{s:,} sessions" if s > 1 else "1 session" for s in sessions]
    return rows(head, body)


def calls_table(results):
    loads = [load for load in LOADS if load in results["calls"]]
    measured = {name for load in loads for name in results["calls"][load]}
    names = ["mini-smtpd"] + [name for name in ("before", "floor") if name in measured]
    of = lambda load, name, call: results["calls"][load].get(name, {}).get(call, 0)
    calls = {call for load in loads for name in names for call in results["calls"][load].get(name, {})}
    most = lambda call: max(of(load, name, call) for load in loads for name in names)
    few = {call for call in calls if most(call) < 0.05}
    figure = lambda x: f"{x:.2f}".rstrip("0").rstrip(".")
    cells = lambda call: [" / ".join(figure(of(load, name, call)) for name in names) for load in loads]
    body = [[f"`{call}`", *cells(call)] for call in sorted(calls - few, key=lambda c: -most(c))]
    totals = [" / ".join(number(sum(results["calls"][load].get(name, {}).values())) for name in names)
              for load in loads]
    body.append(["all", *totals])
    head = [f"calls a message: {' / '.join(names)}"] + [LOADS[load] for load in loads]
    return rows(head, body)


def cost_tables(results):
    cost, out = results["cost"], []
    if "recipients" in cost:
        out.append(rows(["recipients", "messages a second", "copies a second", "CPU µs a message",
                         "CPU µs a copy"],
                        [[r["recipients"], *map(number, (r["rate"], r["copies"], r["cpu"], r["cpu_copy"]))]
                         for r in cost["recipients"]]))
    if "sizes" in cost:
        size = lambda kib: f"{kib} KiB" if kib < 1024 else f"{kib // 1024} MiB"
        out.append(rows(["size of a message (2 sessions)", "messages a second", "MiB a second",
                         "CPU µs a message", "CPU µs a MiB", "peak MiB"],
                        [[size(r["kib"]), *map(number, (r["rate"], r["mib"], r["cpu"], r["cpu_mib"],
                                                        r["peak"] / 1024))] for r in cost["sizes"]]))
    if "mailbox" in cost:
        out.append(rows(["messages already in the mailbox", "messages a second", "CPU µs a message"],
                        [[f"{r['there']:,}", number(r["rate"]), number(r["cpu"])] for r in cost["mailbox"]]))
    lines = []
    if "thousand" in cost:
        t = cost["thousand"]
        lines.append(
            f"- **1,000 sessions, each past RCPT** (`--threads 1250`): {t['resident'] / 1024:.1f} MiB are "
            f"resident. Before they came it was {t['at_rest'] / 1024:.1f} MiB, with one thread only "
            f"{t['bare'] / 1024:.1f} MiB. So a session adds "
            f"{(t['resident'] - t['at_rest']) / 1000:.1f} KiB to its thread, and the two together, with a "
            f"share of the 250 free threads, are {t['each']:.1f} KiB.")
        lines.append(f"- **The same sessions while they say nothing**: {t['idle'] * 100:.2f} % of a core, over "
                     f"{t['idle_seconds']} seconds.")
    if "thousands" in cost:
        t = cost["thousands"]
        waves = f", {t['wave']:,} at a time" if t["wave"] < t["sessions"] else ""
        lines.append(
            f"- **{t['sessions']:,} sessions at once** (`--threads 10000`, the limit of open files raised): "
            f"started in {t['start_up']:.2f} s; all greeted, after {t['greeted']:.1f} s; all delivered a "
            f"message, {t['stored']:,} of them in {t['delivered']:.1f} s{waves}. Resident: "
            f"{t['at_rest'] / 1024:.0f} MiB at rest, {t['resident'] / 1024:.0f} MiB past RCPT, at most "
            f"{t['peak'] / 1024:.0f} MiB.")
    if "log" in cost:
        warn, info = cost["log"]["warn"], cost["log"]["info"]
        lines.append(f"- **The log** (`info`, the default, into a file; 4 KiB, one connection for all): "
                     f"{info - warn:.0f} µs of CPU a message on top of {warn:.0f} µs.")
    if lines:
        out.append("\n".join(map(prose, lines)))
    return "\n\n".join(out)


def text(results):
    out = [prose(machine(results))]
    if results.get("table"):
        out.append("## The table\n\n" + main_table(results) + comparison(results))
    if results.get("plot"):
        out.append("## The plot\n\n![Messages a second against sessions](performance.svg)\n\n"
                   + prose("Each session keeps one connection. The rate is that of the middle four fifths of the mails, by "
                   "the time at which they were written: the making of a thousand connections is not in "
                   "it. Postfix, as it comes, serves 100 clients at once, and the others wait for their "
                   "turn.") + "\n\n" + plot_table(results))
    if results.get("calls"):
        out.append("## System calls\n\nCounted with `strace -f -c`, 10 sessions. A `futex` is one thread "
                   "waking another.\n\n" + calls_table(results))
    if results.get("cost"):
        out.append("## Cost in proportion\n\nmini-smtpd alone: twice the work should cost twice as much, and what is "
                   "not work should cost nothing.\n\n" + cost_tables(results))
    return "\n\n".join(out)


def write(results):
    """Puts the figures between the two marks of docs/performance.md, and draws the plot."""
    path = ROOT / "docs" / "performance.md"
    if path.exists():
        old = path.read_text()
    else:
        old = INTRODUCTION + BEGIN + "\n" + END + "\n" + OUTRO
    before, found, rest = old.partition(BEGIN)
    _, found_end, after = rest.partition(END)
    if not (found and found_end):
        raise SystemExit(f"bench: {path} has lost its marks {BEGIN} and {END}")
    path.write_text(f"{before}{BEGIN}\n{text(results)}\n{END}{after}")
    if results.get("plot"):
        series = [(name, {int(s): statistics.median(r["steady"] for r in rounds)
                          for s, rounds in points.items()}) for name, points in results["plot"].items()]
        (ROOT / "docs" / "performance.svg").write_text(plot.draw(series))
