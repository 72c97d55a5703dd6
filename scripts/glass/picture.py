"""Makes docs/glass.png, the picture in README: the real page, before a real server."""

import os
import struct
import threading
import time
import zlib

from browser import Browser
from glass import ROOT, Glass, build


def compress(path):
    """Writes a PNG of three octets a pixel anew, without filters: flat colours are smaller so."""
    octets = open(path, "rb").read()
    at, chunks, data = 8, {}, b""
    while at < len(octets):
        length, kind = struct.unpack(">I4s", octets[at:at + 8])
        chunks[kind] = octets[at + 8:at + 8 + length]
        data += chunks[kind] if kind == b"IDAT" else b""
        at += length + 12
    width = 3 * struct.unpack(">I", chunks[b"IHDR"][:4])[0]
    data, rows, above = zlib.decompress(data), b"", bytes(width)
    for start in range(0, len(data), width + 1):
        row = bytearray(data[start + 1:start + 1 + width])
        for i in range(width):
            left, before = (row[i - 3], above[i - 3]) if i >= 3 else (0, 0)
            row[i] = row[i] + guess(data[start], left, above[i], before) & 255
        above = bytes(row)
        rows += b"\0" + above
    with open(path, "wb") as file:
        file.write(octets[:8])
        for kind, body in [(b"IHDR", chunks[b"IHDR"]), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]:
            check = struct.pack(">I", zlib.crc32(kind + body))
            file.write(struct.pack(">I", len(body)) + kind + body + check)


def guess(kind, left, above, before):
    """What a filter expects of an octet (PNG, section 9.2)."""
    if kind == 4:
        return min((left, above, before), key=lambda near: abs(left + above - before - near))
    return [0, left, above, (left + above) // 2][kind]


def main():
    build()
    glass, page = Glass(server=["--threads", "4"]), Browser()
    try:
        page.open(glass.page)
        page.wait("four threads are free", "document.querySelectorAll('.tile.free').length === 4")
        mail = ["MAIL FROM:<tuan@nuce.edu.vn>", "RCPT TO:<hung@nuce.edu.vn>"]
        an = glass.client("HELO an", *mail, "RCPT TO:<toan@nuce.edu.vn>", "DATA")
        an.say("Subject: The first mail")
        an.ask(".")
        page.wait("its 250 is there", "document.getElementById('threads').innerText.includes('S: 250 OK')")
        chi = glass.client("EHLO chi", *mail)
        dung = glass.client("HELO dung", *mail, "DATA")
        dung.say("Subject: The second mail")
        binh = glass.client()
        late = threading.Thread(target=glass.client)
        late.start()
        page.wait("the fifth client hears 421", "document.querySelector('.ball.TurnedAway')")
        page.wait("it is said why", "document.getElementById('reply').innerText.includes('421')")
        binh.ask(mail[0])
        page.wait("the refusal is there", "document.getElementById('reply').innerText.includes('503')")
        # The dots have arrived by then, and the fifth client is still there.
        time.sleep(0.7)
        path = os.path.join(ROOT, "docs", "glass.png")
        page.picture(path)
        compress(path)
        late.join()
        print(f"{path}: {os.path.getsize(path)} octets")
        for client in [an, chi, dung, binh]:
            client.close()
    finally:
        page.close()
        glass.close()


if __name__ == "__main__":
    main()
