"""A headless Chromium, steered through a pipe (the DevTools protocol). Standard library only."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time

LONG = 20


def program():
    """Where Chromium is, or None."""
    names = ["chromium", "chromium-browser", "google-chrome", "chrome"]
    return next(filter(None, map(shutil.which, names)), None)


class Browser:
    """One browser with one page."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(
            prefix="glass-browser-", ignore_cleanup_errors=True)
        theirs_in, self.out = os.pipe()
        self.into, theirs_out = os.pipe()
        # The browser reads from handle 3 and writes to 4: these must be free until then.
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (theirs_in, theirs_out)]
        os.close(theirs_in), os.close(theirs_out)

        def hand_over():
            os.dup2(theirs[0], 3)
            os.dup2(theirs[1], 4)

        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                 "--hide-scrollbars", "--no-first-run", "--remote-debugging-pipe",
                 f"--user-data-dir={self.folder.name}"]
        self.process = subprocess.Popen(
            [program(), *flags], pass_fds=(3, 4), preexec_fn=hand_over,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for fd in theirs:
            os.close(fd)
        self.buffer, self.count, self.session = b"", 0, None
        # What the page complained about: errors, and what its policy has stopped.
        self.complaints = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ["Page", "Runtime", "Log"]:
            self.call(f"{domain}.enable")
        self.size(1280, 720)

    def call(self, method, **params):
        """Calls a method of the protocol, and gives its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.hear()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.note(answer)

    def hear(self):
        while b"\0" not in self.buffer:
            octets = os.read(self.into, 1 << 16)
            if not octets:
                raise RuntimeError("the browser has gone")
            self.buffer += octets
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def note(self, event):
        params = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:400])
        if event.get("method") == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])

    def open(self, address):
        self.call("Page.navigate", url=address)

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)

    def ask(self, script):
        """What an expression is on the page."""
        result = self.call("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']['exception']['description']}")
        return result["result"].get("value")

    def wait(self, what, script):
        """Waits until an expression is true on the page."""
        began = time.monotonic()
        while not self.ask(f"!!({script})"):
            if time.monotonic() - began > LONG:
                text = self.ask("document.body?.innerText")
                raise AssertionError(f"waited too long until {what}; the page says:\n{text}")
            time.sleep(0.03)

    def key(self, key):
        for kind in ["keyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=key if kind == "keyDown" and len(key) == 1 else "")

    def picture(self, path):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def close(self):
        self.process.terminate()
        self.process.wait()
        os.close(self.out), os.close(self.into)
        self.folder.cleanup()
