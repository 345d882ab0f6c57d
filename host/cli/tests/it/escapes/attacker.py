"""What every attacker is made of: attempts by name, each made by a process of its own and told in one word.

A word is `done`, the name of an error, the signal that the attempt died of, or what else the attempt returned.
"""
import ctypes, errno, json, os, signal, socket, struct, sys, time

libc = ctypes.CDLL(None, use_errno=True)
X86 = os.uname().machine == "x86_64"
ATTEMPTS = {}


def attempt(act):
    ATTEMPTS[act.__name__] = act
    return act


def given(name):
    """What the test hands over, in the jail as out of it."""
    return os.environ["PT_" + name]


def number(x86, elsewhere):
    return x86 if X86 else elsewhere


def checked(result):
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def system(number, *arguments):
    """A system call by its number."""
    if number is None:
        raise OSError(errno.ENOSYS, "not on this machine")
    return checked(libc.syscall(ctypes.c_long(number), *map(word, arguments)))


def word(argument):
    """Numbers are whole registers, whatever ctypes makes of small ones."""
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def sleeper():
    """A child to do things to."""
    child = os.fork()
    if child == 0:
        time.sleep(20)
        os._exit(0)
    return child


def error_of(failure):
    return errno.errorcode.get(failure.errno, str(failure.errno))


def answer(act):
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            told = act()
            told = "done" if told is None else str(told)
        except OSError as failure:
            told = error_of(failure)
        except BaseException as failure:
            told = f"{type(failure).__name__}: {failure}"
        os.write(writing, told.encode())
        os._exit(0)
    os.close(writing)
    told = os.read(reading, 60000).decode()
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else told


def tell():
    """Makes the attempts that were asked for, one after the other."""
    names = given("attempts").split(",")
    print(json.dumps({name: answer(ATTEMPTS[name]) for name in names}), flush=True)
