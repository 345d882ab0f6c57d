"""Runs a program on a terminal of its own, and prints all that the terminal gets.

terminal.py WAIT TYPED PROGRAM ARG...  types TYPED (with \\x escapes) when WAIT has been seen.
HOST_STDOUT=FILE or HOST_STDERR=FILE sends that stream to a file instead of the terminal.
"""
import fcntl, os, pty, select, struct, sys, termios
wait, typed, program = sys.argv[1].encode(), sys.argv[2].encode().decode("unicode_escape").encode(), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    for number, name in ((1, "HOST_STDOUT"), (2, "HOST_STDERR")):
        path = os.environ.pop(name, None)
        if path:
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
    os.execv(program[0], program)
seen, is_typed = b"", not typed
while True:
    try:
        piece = os.read(terminal, 65536)
    except OSError:
        break
    if not piece:
        break
    seen += piece
    if not is_typed and wait in seen:
        os.write(terminal, typed)
        is_typed = True
os.write(1, seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
