import mmap, shutil, threading

BOMB = "/scratch/bomb"


def until_refused(act, most):
    """The error that says that it is enough."""
    shutil.rmtree(BOMB, ignore_errors=True)
    os.makedirs(BOMB)
    for _ in range(most):
        try:
            KEPT.append(act())
        except OSError as failure:
            return error_of(failure)
        except RuntimeError:
            return "EAGAIN"
    return "never"


KEPT = []


def bomb(name, act, most):
    ATTEMPTS[name] = lambda: until_refused(act, most)


def new_thread():
    thread = threading.Thread(target=time.sleep, args=(300,), daemon=True)
    thread.start()


def nested_polls():
    import select

    poll = select.epoll()
    if KEPT:
        poll.register(KEPT[-1].fileno())
    return poll


def in_scratch(act):
    return lambda: act(f"{BOMB}/{len(KEPT)}")


threading.stack_size(65536)
bomb("descriptors", lambda: os.open("/dev/null", os.O_RDONLY), 5000)
bomb("pipes", os.pipe, 5000)
bomb("events", lambda: os.eventfd(0), 5000)
bomb("files_in_memory", lambda: os.memfd_create("x"), 5000)
bomb("timers_as_descriptors", lambda: system(number(283, 85), 1, 0), 5000)
bomb("signals_as_descriptors", lambda: system(number(289, 74), -1, ctypes.create_string_buffer(8), 8, 0), 5000)
bomb("sockets", socket.socket, 5000)
bomb("polls", nested_polls, 5000)
bomb("processes", sleeper, 5000)
bomb("threads", new_thread, 5000)
bomb("files", in_scratch(lambda name: os.close(os.open(name, os.O_CREAT))), 100000)
bomb("directories", in_scratch(os.mkdir), 100000)
bomb("links", in_scratch(lambda name: os.symlink("x" * 2000, name)), 100000)
bomb("pipes_with_names", in_scratch(os.mkfifo), 100000)
bomb("semaphores", lambda: system(number(64, 190), 0, 1, 0o1600), 100000)
bomb("queues", lambda: system(number(68, 186), 0, 0o1600), 100000)
bomb("segments", lambda: system(number(29, 194), 0, 4096, 0o1600), 100000)
bomb("namespaces", lambda: system(number(272, 97), 0x10000000), 10)


@attempt
def disk():
    block = b"x" * (1 << 20)
    return until_refused(in_scratch(lambda name: open(name, "wb", 0).write(block)), 4096)


@attempt
def disk_that_is_reserved():
    file = os.open("/tmp", os.O_TMPFILE | os.O_WRONLY)
    os.posix_fallocate(file, 0, 1 << 33)


@attempt
def disk_without_a_name():
    block = b"x" * (1 << 20)
    file = os.open("/tmp", os.O_TMPFILE | os.O_WRONLY)
    return until_refused(lambda: os.write(file, block) and None, 4096)


@attempt
def directories_in_directories():
    def deeper():
        if not KEPT:
            os.chdir(BOMB)
        os.mkdir("d" * 200)
        os.chdir("d" * 200)

    return until_refused(deeper, 100000)


@attempt
def locked_memory():
    memory = mmap.mmap(-1, 1 << 20)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    checked(libc.mlock(ctypes.c_void_p(address), 1 << 20))


@attempt
def all_memory_locked():
    checked(libc.mlockall(3))


@attempt
def large_pages():
    mmap.mmap(-1, 1 << 21, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)


@attempt
def large_pages_in_a_file():
    file = os.memfd_create("x", os.MFD_HUGETLB)
    os.ftruncate(file, 1 << 21)
    mmap.mmap(file, 1 << 21)


@attempt
def arguments_without_end():
    os.execv("/usr/bin/true", ["x"] + ["y" * 100000] * 100)


@attempt
def stack_without_end():
    import faulthandler

    faulthandler._stack_overflow()


@attempt
def larger_pipe_than_allowed():
    import fcntl

    fcntl.fcntl(os.pipe()[0], 1031, 1 << 28)
