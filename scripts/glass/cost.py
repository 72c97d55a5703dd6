"""What glass costs the server: the CPU time of its process for the same mails, without and with it."""

import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from glass import ROOT, TARGET, Client, Glass

MAILS, CLIENTS = 4000, 4
LINES = b"Subject: cost\r\n\r\n" + b"A line of the usual length, as people and programs write them.\r\n" * 20


def send(port):
    """Sends mails from several clients at once, each on one connection."""
    def work():
        client = Client(port)
        client.ask("HELO cost")
        for _ in range(MAILS // CLIENTS):
            client.ask("MAIL FROM:<tuan@nuce.edu.vn>")
            client.ask("RCPT TO:<hung@nuce.edu.vn>")
            client.ask("DATA")
            client.socket.sendall(LINES + b".\r\n")
            client.hear()
        client.close()

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def seconds(process):
    """The time that the threads of a process have run so far, to the nanosecond."""
    tasks = f"/proc/{process}/task"
    return sum(int(open(f"{tasks}/{task}/schedstat").read().split()[0]) for task in os.listdir(tasks)) / 1e9


def alone():
    """The server by itself, with its usual log."""
    with tempfile.TemporaryDirectory() as tree:
        os.makedirs(f"{tree}/nuce.edu.vn/hung")
        flags = ["--listen", "127.0.0.1:0", "--pop3", "off", "--threads", "4", "--no-sync"]
        server = subprocess.Popen([f"{TARGET}/release/mini-smtpd", *flags, "--mailboxes", tree],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        port = int(server.stdout.readline().split("127.0.0.1:")[1].split()[0])
        send(port)
        took = seconds(server.pid)
        server.terminate(), server.wait()
        return took


def behind(watchers):
    """The server behind glass, with so many that watch."""
    glass = Glass(server=["--threads", "4", "--no-sync"], folder="release")
    children = f"/proc/{glass.process.pid}/task/{glass.process.pid}/children"
    server = int(open(children).read().split()[0])
    # The mailbox is one of its own, and a watcher reads all that comes.
    open_pages = [urllib.request.urlopen(glass.page + "events") for _ in range(watchers)]
    for page in open_pages:
        threading.Thread(target=lambda page=page: [None for _ in page], daemon=True).start()
    time.sleep(0.2)
    send(glass.port)
    took = seconds(server), seconds(glass.process.pid)
    glass.close()
    return took


def main():
    subprocess.run(["cargo", "build", "--quiet", "--release", "--bins"], cwd=ROOT, check=True)
    rounds = int(sys.argv[1]) if sys.argv[1:] else 10
    taken = []
    for _ in range(rounds):
        (unwatched, _), (watched, own) = behind(0), behind(1)
        taken.append((alone(), unwatched, watched, own))
        print("  ".join(f"{seconds:.2f}" for seconds in taken[-1]), flush=True)
    # What else runs on this machine only adds.
    base, unwatched, watched, own = map(min, zip(*taken))
    print(f"{MAILS} mails, the least of {rounds} rounds: {base:.2f} s alone, {unwatched:.2f} s behind glass, "
          f"{watched:.2f} s watched, {watched / base:.1f} times as much; glass itself {own:.2f} s")


if __name__ == "__main__":
    main()
