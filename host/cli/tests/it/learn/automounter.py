# Runs a command in a mount namespace of its own where PLACE belongs to an automounter, and writes into ASKED each name that
# the automounter is asked for: PLACE ASKED COMMAND ...
import ctypes, fcntl, os, struct, subprocess, sys, threading

AUTOFS_IOC_FAIL = 0x9361
place, asked, command = sys.argv[1], sys.argv[2], sys.argv[3:]
libc = ctypes.CDLL(None, use_errno=True)
reading, writing = os.pipe()
options = f"fd={writing},pgrp={os.getpgrp()},minproto=5,maxproto=5,indirect"
if libc.mount(b"none", place.encode(), b"autofs", 0, options.encode()) != 0:
    sys.exit(f"autofs: {os.strerror(ctypes.get_errno())}")
root = os.open(place, os.O_RDONLY)


def answer():
    while packet := os.read(reading, 304):
        (token,) = struct.unpack_from("I", packet, 8)
        (length,) = struct.unpack_from("I", packet, 40)
        with open(asked, "ab") as names:
            names.write(packet[44 : 44 + length] + b"\n")
        fcntl.ioctl(root, AUTOFS_IOC_FAIL, token)


threading.Thread(target=answer, daemon=True).start()
sys.exit(subprocess.call(command))
