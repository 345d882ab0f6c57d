#!/usr/bin/python3
"""Does what PT_do says. README.md says what each is; sh.sh and ../src/main.rs do the same."""

import json
import os
import sys
import time

FLOOD_BYTES = 65536


def parameter(name):
    return os.environ.get("PT_" + name, "")


def show(text):
    sys.stdout.buffer.write(text.encode())


def copy(path):
    with open(path, "rb") as file:
        sys.stdout.buffer.write(file.read())


def write(path, how="wb"):
    with open(path, how) as file:
        file.write(parameter("text").encode())


def say_input():
    variables = (name + b"=" + value for name, value in os.environb.items())
    parts = [b"stdin", sys.stdin.buffer.read(), b"environment", *variables]
    sys.stdout.buffer.write(b"".join(part + b"\0" for part in parts))


def secret():
    value = parameter("secret")
    show(json.dumps({"on_stdin": value in sys.stdin.read(), "characters": len(value)}))


def not_utf8():
    sys.stdout.buffer.write(b"a\xffb")
    sys.stderr.buffer.write(b"c\xffd")


def flood(stream):
    left = int(parameter("bytes"))
    while left > 0:
        left -= stream.buffer.write(b"x" * min(left, FLOOD_BYTES))


def flood_late():
    sys.stderr.buffer.write(parameter("text").encode())
    sys.stderr.flush()
    time.sleep(1)
    flood(sys.stdout)


def scratch():
    write("beside.txt")
    copy("beside.txt")
    copy(os.environ["HOME"] + "/beside.txt")
    os.mkdir("below")
    write("below/inner.txt")
    copy("./below/inner.txt")
    write(os.environ["TMPDIR"] + "/temporary.txt")
    copy(os.environ["TMPDIR"] + "/temporary.txt")


def names(path):
    show("".join(name + "\n" for name in sorted(os.listdir(path))))


def change():
    top = parameter("path")
    os.mkdir(top + "/below")
    write(top + "/below/new.txt")
    write(top + "/old.txt", "ab")
    os.rename(top + "/below/new.txt", top + "/moved.txt")
    os.remove(top + "/doomed.txt")
    os.rmdir(top + "/below")
    names(top)


def spin():
    while True:
        pass


def wait_long():
    for stream in (sys.stdout, sys.stderr):
        stream.buffer.write(parameter("text").encode())
        stream.flush()
    time.sleep(300)


def grow():
    held = b"x" * int(parameter("bytes"))
    del held
    show("grown\n")


ACTS = {
    "input": say_input,
    "secret": secret,
    "print": lambda: show(parameter("text")),
    "complain": lambda: sys.stderr.buffer.write(parameter("text").encode()),
    "not-utf8": not_utf8,
    "flood": lambda: flood(sys.stdout),
    "flood-stderr": lambda: flood(sys.stderr),
    "flood-late": flood_late,
    "leave": lambda: write(os.environ["HOST_OUT"] + "/" + parameter("path")),
    "scratch": scratch,
    "installed": lambda: copy(parameter("_installdir") + "/conformance/files/greeting.txt"),
    "exists": lambda: show("yes\n" if os.path.exists(parameter("path")) else "no\n"),
    "read": lambda: copy(parameter("path")),
    "list": lambda: names(parameter("path")),
    "write": lambda: write(parameter("path")),
    "change": change,
    "sleep": wait_long,
    "spin": spin,
    "grow": grow,
    "abort": os.abort,
}

try:
    ACTS[parameter("do") or "input"]()
except OSError as error:
    sys.exit(f"{error.filename}: {error.strerror}")
sys.exit(int(parameter("code") or 0))
