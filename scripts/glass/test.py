"""The page of `cargo glass` in a real browser. With --pictures FOLDER, the moments become pictures."""

import os
import socket
import sys
import threading
import time

import browser
from browser import Browser
from glass import Glass, build

# Where the state of the thread that serves a client stands, and all that the page shows of it.
TILE = "[...document.querySelectorAll('.tile')].find(t => t.innerText.includes('#%s'))"
HOSTILE = "<script>hacked=1</script><img src=x onerror=hacked=1>"
# The same as a local part in quotes, where no blank and no quote may stand unescaped.
HOSTILE_ADDRESS = '<"<script>hacked=1</script><img/src=x/onerror=hacked=1>"@x.vn>'
FLOOD = 1500


class Test:
    """One browser before one glass with three threads."""

    def __init__(self, pictures):
        self.pictures = pictures
        self.glass = Glass(server=["--threads", "3"])
        self.browser = Browser()

    def state(self, client, state):
        self.browser.wait(f"client {client} is in {state}", f"{TILE % client}?.innerText.includes('{state}')")

    def look(self, name):
        """Makes pictures of this moment: light in English, dark in Vietnamese."""
        if not self.pictures:
            return
        self.browser.picture(f"{self.pictures}/{name}-en.png")
        self.browser.key("l"), self.browser.key("d")
        time.sleep(0.4)
        self.browser.picture(f"{self.pictures}/{name}-vi-dark.png")
        self.browser.key("l"), self.browser.key("d")

    def run(self):
        page, glass = self.browser, self.glass
        page.open(glass.page)
        page.wait("three threads are free", "document.querySelectorAll('.tile.free').length === 3")
        self.look("free")
        an = self.a_conversation_appears()
        self.a_refusal_is_shown_with_its_section(an)
        others = self.who_gets_no_thread_hears_421()
        self.a_hostile_mail_is_text(others[-1])
        self.a_page_that_comes_back_sees_everything()
        for client in [an, *others]:
            client.close()
        page.wait("all are free", "document.querySelectorAll('.tile.free').length === 3")
        self.a_flood_does_not_freeze_the_page()
        self.keys_do_what_they_say()
        assert not page.complaints, page.complaints

    def a_conversation_appears(self):
        page = self.browser
        client = self.glass.client()
        self.state(1, "Connected")
        client.ask("HELO an")
        page.wait("the name is there", f"{TILE % 1}.innerText.includes('#1 an')")
        self.state(1, "Greeted")
        client.ask("MAIL FROM:<tuan@nuce.edu.vn>")
        self.state(1, "Mail")
        client.ask("RCPT TO:<hung@nuce.edu.vn>")
        self.state(1, "Rcpt")
        page.wait("the dot has the state's colour", "document.querySelector('.dot circle').style.fill === 'var(--dRcpt)'")
        client.ask("DATA")
        client.say("Subject: Hello")
        self.state(1, "Data")
        page.wait("the file is in tmp/", "document.querySelector('.file.tmp')?.innerText.includes('#1')")
        sizes = "Number(document.querySelector('.file').innerText.match(/· (\\d+)/)[1])"
        before = page.ask(sizes)
        client.say("")
        client.say("The file grows with each line.")
        page.wait("the file has grown", f"{sizes} > {before} + 20")
        self.look("rcpt")
        # From here the page itself watches: 250 is never shown before the file is in new/.
        page.ask("""window.early = 0; new MutationObserver(() => {
            const isDone = document.querySelector('.tile').parentNode.innerText.includes('S: 250');
            if (isDone && document.querySelector('.file.tmp')) window.early++;
        }).observe(document.body, { subtree: true, childList: true, characterData: true })""")
        assert client.ask(".").startswith("250")
        page.wait("the file is in new/", "document.querySelector('.file') && !document.querySelector('.file.tmp')")
        self.state(1, "S: 250 OK")
        self.state(1, "Greeted")
        assert page.ask("window.early") == 0
        stored = os.listdir(os.path.join(self.glass.tree, "nuce.edu.vn", "hung", "new"))
        assert page.ask("document.querySelector('.file').title") == stored[0]
        self.look("stored")
        return client

    def a_refusal_is_shown_with_its_section(self, client):
        client.ask("DATA")
        self.browser.wait("the refusal is there", "document.getElementById('reply').innerText.includes('503 Send MAIL first (RFC 5321 3.3)')")
        self.browser.wait("the dot shakes", "document.querySelector('.dot .shake')")
        self.look("refused")

    def who_gets_no_thread_hears_421(self):
        page, glass = self.browser, self.glass
        others = [glass.client("HELO binh"), glass.client("EHLO chi")]
        page.wait("three threads are busy", "!document.querySelector('.tile.free')")
        late = []
        thread = threading.Thread(target=lambda: late.append(glass.client().greeting))
        thread.start()
        page.wait("the fourth client waits", "document.querySelector('.ball.Waiting')?.innerText === '#4'")
        page.wait("it hears 421", "document.querySelector('.ball.TurnedAway')?.innerText.includes('421')")
        self.look("421")
        thread.join()
        assert late[0].startswith("421"), late
        page.wait("it goes", "!document.querySelector('.ball')")
        return others

    def a_hostile_mail_is_text(self, client):
        page = self.browser
        client.ask(f"EHLO {HOSTILE}")
        assert client.ask(f"MAIL FROM:{HOSTILE_ADDRESS}").startswith("250")
        client.ask(f"RCPT TO:{HOSTILE_ADDRESS}")
        client.ask(HOSTILE)
        client.ask("RCPT TO:<toan@nuce.edu.vn>")
        client.ask("DATA")
        for line in [f"Subject: {HOSTILE}", "", HOSTILE, "\x1b[31m\u202e", "</div></script>"]:
            client.say(line)
        assert client.ask(".").startswith("250")
        self.state(3, "S: 250")
        number = page.ask(f"1 + [...document.querySelectorAll('.tile')].indexOf({TILE % 3})")
        page.key(str(number))
        said = "document.getElementById('text').innerText"
        page.wait("the conversation is open", f"{said}.includes('MAIL FROM:<')")
        shown = page.ask(said)
        for text in [f"EHLO {HOSTILE}", HOSTILE_ADDRESS, f"Subject: {HOSTILE}", "\\u{1b}[31m\\u{202e}"]:
            assert text in shown, f"{text} is not in:\n{shown}"
        self.look("hostile")
        page.ask("[...document.querySelectorAll('.file')].find(f => f.innerText.includes('#3')).click()")
        page.wait("the file is open", f"{said}.includes('Received: from')")
        shown = page.ask(said)
        for text in [f"Return-Path: {HOSTILE_ADDRESS}", f"Subject: {HOSTILE}", "\\u{1b}[31m\\u{202e}"]:
            assert text in shown, f"{text} is not in:\n{shown}"
        self.look("file")
        page.key("Escape")
        self.a_hostile_name_is_text(client)
        assert page.ask("typeof hacked") == "undefined"
        assert page.ask("[document.scripts.length, document.images.length]") == [1, 0]
        # The policy would stop it, too.
        stopped = page.ask("""(() => { try { document.body.innerHTML = '<b>'; return 'not stopped'; }
            catch (e) { return e.name; } })()""")
        assert stopped == "TypeError", stopped
        page.complaints.clear()

    def a_hostile_name_is_text(self, client):
        """A client's name may not hold such characters; one in brackets may hold more."""
        for name in ["<img/src=x/onerror=hacked=1>", "[<script>hacked=1</script>]", "a&lt;b"]:
            client.ask(f"HELO {name}")
        client.ask("HELO [IPv6:<b>]")
        client.ask("HELO chi")
        self.state(3, "C: HELO chi\\nS: 250")

    def a_page_that_comes_back_sees_everything(self):
        page = self.browser
        before = page.ask("document.getElementById('threads').innerText")
        page.call("Page.reload")
        page.wait("it is as before", f"document.getElementById('threads')?.innerText === {before!r}")

    def a_flood_does_not_freeze_the_page(self):
        page = self.browser
        page.ask("""window.frames_ = 0; window.slowest = 0; let last = performance.now();
            (function count() { const now = performance.now(); window.frames_++;
            window.slowest = Math.max(window.slowest, now - last); last = now;
            requestAnimationFrame(count); })()""")
        began = time.monotonic()
        for _ in range(FLOOD):
            with socket.create_connection(("127.0.0.1", self.glass.port), timeout=20) as client:
                client.sendall(b"HELO flood\r\nMAIL FROM:<>\r\nRCPT TO:<hung@nuce.edu.vn>\r\nBAD\r\nQUIT\r\n")
                while client.recv(4096):
                    pass
        took = time.monotonic() - began
        frames, slowest = page.ask("[window.frames_, window.slowest]")
        print(f"{FLOOD} clients in {took:.1f} s: {frames / took:.0f} frames a second, the slowest {slowest:.0f} ms")
        self.look("flood")
        assert frames / took > 5, "the page froze"
        page.wait("the flood is over", "document.querySelectorAll('.tile.free').length === 3 && !document.querySelector('.ball')")
        page.wait("the dots have gone", "!document.querySelector('.dot')")
        elements = page.ask("document.querySelectorAll('*').length")
        assert elements < 300, f"{elements} elements are left"

    def keys_do_what_they_say(self):
        page = self.browser
        page.key("l")
        assert page.ask("document.documentElement.lang") == "vi"
        page.wait("the words have changed", "document.body.innerText.includes('Đang chờ')")
        page.key("l")
        was = page.ask("document.documentElement.dataset.theme")
        page.key("d")
        assert page.ask("document.documentElement.dataset.theme") != was
        page.key("d")
        page.key(" ")
        assert page.ask("!document.getElementById('held').hidden")
        client = self.glass.client("HELO held")
        time.sleep(0.3)
        assert page.ask("document.querySelectorAll('.tile.free').length") == 3
        page.key(" ")
        page.wait("it goes on", "document.body.innerText.includes('held')")
        client.close()
        for width, height in [(1280, 720), (1920, 1080), (1024, 768)]:
            page.size(width, height)
            root = "document.documentElement"
            assert page.ask(f"{root}.scrollHeight <= innerHeight && {root}.scrollWidth <= innerWidth")

    def close(self):
        try:
            assert self.glass.close() == 0, "Ctrl-C ends it well"
            self.browser.wait("the page says that glass has gone", "!document.getElementById('lost').hidden")
            self.look("gone")
        finally:
            self.browser.close()


def main():
    if browser.program() is None:
        print("glass: skipped, there is no Chromium here")
        return
    pictures = sys.argv[2] if sys.argv[1:2] == ["--pictures"] else None
    build()
    test = Test(pictures)
    try:
        test.run()
    finally:
        test.close()
    print("glass: passed")


if __name__ == "__main__":
    main()
