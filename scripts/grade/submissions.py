"""Makes a folder of submissions to assignment 2 with every kind of trouble: submissions.py FOLDER SECRET

SECRET is a file in the teacher's home. Called by scripts/grade.sh.
"""
import os
import pathlib
import sys
import unicodedata
import zipfile

folder, secret = pathlib.Path(sys.argv[1]), sys.argv[2]
root = pathlib.Path(__file__).resolve().parents[2]
solution = root / "docs/teacher/assignments/2-receiver/solution"
good = {path.name: path.read_text() for path in sorted(solution.iterdir()) if path.is_file()}
start = "python3 receiver.py {port} {mailboxes}\n"


def submit(student, files, inside="", name=None):
    """Writes the zip of a student; `inside` is a folder of the learning platform."""
    path = folder / inside / (name or f"{student}-2.zip")
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


def python(program):
    """What a student with this Python program hands in."""
    return {"start.txt": start, "receiver.py": program}


def hostile(line):
    """A receiver that does this first, and then what it should."""
    return good | {"receiver.py": line + "\n" + good["receiver.py"]}


# Those that are right, however they arrive.
submit("good", good)
submit("nested", {f"bai tap/2/{file}": text for file, text in good.items()}, "Nguyễn Văn Hùng_12_file_")
mac = unicodedata.normalize("NFD", "Trần Thị Mộng")
program = unicodedata.normalize("NFD", "nhận.py")
files = {file: text for file, text in good.items() if file != "receiver.py"}
files |= {program: good["receiver.py"], "start.txt": "python3 nhận.py {port} {mailboxes}\n"}
submit("mac", files | {"__MACOSX/._x": "x", ".DS_Store": "x"}, mac, f"{mac}_7_file_MAC-2.zip")
submit("notepad", good | {"start.txt": start.encode("utf-16")})
windows = {zipfile.ZipInfo(f"bai2\\{file}"): text for file, text in good.items()}
for entry in windows:
    entry.create_system = 0
submit("windows", windows, name="WINDOWS-2 (1).zip")
inner = submit("inner", good, "inner")
submit("twice", {"twice-2.zip": inner.read_bytes()})
inner.unlink()
inner.parent.rmdir()
older = submit("double", python("raise SystemExit(3)"), "a")
os.utime(older, (1_000_000_000, 1_000_000_000))
submit("double", good, "b")

# Those that do not build or start.
submit("c", {"start.txt": "gcc receiver.c -o receiver\n./receiver {port}\n", "receiver.c": "int main( {"})
rust = f'fn main() {{ println!("{{}}", include_str!("{secret}")); }}'
submit("includes", {"start.txt": "rustc receiver.rs\n./receiver {port}\n", "receiver.rs": rust})
cargo = '[package]\nname = "receiver"\nversion = "0.1.0"\nedition = "2024"\n'
build = f'fn main() {{ std::fs::read("{secret}").unwrap(); }}'
submit("buildrs", {
    "start.txt": "cargo build --offline\ntarget/debug/receiver {port}\n", "Cargo.toml": cargo,
    "build.rs": build, "src/main.rs": "fn main() {}",
})
submit("utf16", good | {"receiver.py": good["receiver.py"].encode("utf-16")})
submit("nostart", {"receiver.py": good["receiver.py"]})
submit("dies", python("raise Exception('=cmd()<script>')"))

# Those that are up to something. What they do is bounded here, too.
submit("sleeps", python("import time\ntime.sleep(3600)"))
submit("silent", python(
    "import socket, sys\ns = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
    "clients = []\nwhile True: clients.append(s.accept())"))
submit("floods", python("while True: print('x' * 1000)"))
submit("forks", python(
    "import os, time\ncount = 0\ntry:\n    while count < 1000:\n"
    "        if os.fork() == 0: time.sleep(10); os._exit(0)\n        count += 1\n"
    "except OSError: pass\nraise SystemExit(f'{count} processes')"))
submit("hog", python("held = []\nfor _ in range(12): held.append(bytearray(1 << 30))"))
submit("fills", python(
    "import sys\nfor n in range(100):\n    with open(f'{sys.argv[2]}/{n}', 'wb') as f:\n"
    "        f.write(b'x' * 50_000_000)"))
# What it finds, it says in its greeting.
submit("reads", python(
    "import socket, sys, os, pathlib\nfound = []\n"
    f"for place in ['{secret}', '{root}/docs/teacher', '/proc/1/environ', '/root', '/home']:\n"
    "    if pathlib.Path(place).exists() and (place[1:5] != 'proc' or b'LAB_SECRET' in open(place, 'rb').read()):\n"
    "        found.append(place)\n"
    "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
    "while True:\n    c, _ = s.accept()\n    c.sendall(f'500 found {found}\\r\\n'.encode())"))
submit("calls", python(
    "import socket, sys\nreached = []\n"
    f"for place in [('1.1.1.1', 53), ('127.0.0.1', {os.environ.get('TEACHERS_PORT', '9')})]:\n"
    "    try: reached.append(socket.create_connection(place, 1).getpeername())\n"
    "    except OSError: pass\n"
    "s = socket.create_server(('127.0.0.1', int(sys.argv[1])))\n"
    "while True:\n    c, _ = s.accept()\n    c.sendall(f'500 reached {reached}\\r\\n'.encode())"))
submit("kills", hostile("import os\ntry: os.kill(-1, 9)\nexcept OSError: pass"))
submit("daemon", hostile("import os, time\nif os.fork() == 0:\n    os.setsid()\n    time.sleep(3600)"))
link = zipfile.ZipInfo("own.smtp.txt")
link.create_system, link.external_attr = 3, 0o120777 << 16
submit("links", good | {link: secret})
submit("dots", good | {"../../../../../../tmp/lab-grade-was-here": "x"})
evil = "server: --record /tmp/lab-grade-was-here\nS: 220 *\nC: NOOP\nS: 250 *\n"
submit("evil", good | {"evil.smtp.txt": evil})

# Those that are no zips of ours.
submit("empty", {})
huge = folder / "huge-2.zip"
with zipfile.ZipFile(huge, "w", zipfile.ZIP_DEFLATED) as archive:
    with archive.open("receiver.py", "w", force_zip64=True) as file:
        for _ in range(300):
            file.write(bytes(1 << 20))
(folder / "random-2.zip").write_bytes(b"PK" + os.urandom(21 << 20))
(folder / "word-2.zip").write_bytes(b"\xd0\xcf\x11\xe0 a document")
(folder / "rar-2.rar").write_bytes(b"Rar!\x1a\x07\x01\x00")
submit("unknown", good, name="bài tập 2.zip")
(folder / "Lê Văn Không").mkdir()
