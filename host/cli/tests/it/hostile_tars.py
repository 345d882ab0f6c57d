import io, sys, tarfile
out = sys.argv[1]
def make(name, *members, form=tarfile.GNU_FORMAT):
    with tarfile.open(f"{out}/{name}.tar", "w", format=form) as tar:
        good = tarfile.TarInfo("demo/tasks/init.sh")
        body = b"#!/bin/sh\necho ran\n"
        good.size, good.mode = len(body), 0o755
        tar.addfile(good, io.BytesIO(body))
        for path, kind, extra in members:
            info = tarfile.TarInfo(path)
            info.type = kind
            for key, value in extra.items():
                if key not in ("body", "size"):
                    setattr(info, key, value)
            body = extra.get("body", b"evil")
            if kind == tarfile.REGTYPE:
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
            else:
                tar.addfile(info)
REG = tarfile.REGTYPE
make("traversal", ("demo/tasks/../../../../evil.sh", REG, {}))
make("absolute", ("/tmp/host-it-evil", REG, {}))
make("symlink", ("demo/files/link", tarfile.SYMTYPE, {"linkname": "/etc/passwd"}))
make("hardlink", ("demo/files/link", tarfile.LNKTYPE, {"linkname": "/etc/passwd"}))
make("device", ("demo/files/null", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3}))
make("pipe", ("demo/files/pipe", tarfile.FIFOTYPE, {}))
make("duplicate", ("demo/tasks/init.sh", REG, {}))
make("case_twin", ("demo/tasks/INIT.sh", REG, {}))
make("backslash", ("demo/tasks\\evil.sh", REG, {}))
make("control", ("demo/files/a\x1b[2J", REG, {}))
make("pax_path", ("demo/files/ok", REG, {"pax_headers": {"path": "../../evil.sh"}}), form=tarfile.PAX_FORMAT)
make("pax_size", ("demo/files/ok", REG, {"pax_headers": {"size": "99999999999"}}), form=tarfile.PAX_FORMAT)
make("long_name", ("demo/files/" + "d/" * 200 + "../" * 210 + "evil.sh", REG, {}))
make("sparse", ("demo/files/sparse", tarfile.GNUTYPE_SPARSE, {}))
huge = tarfile.TarInfo("demo/files/huge")
huge.size = 1 << 40
with open(f"{out}/huge.tar", "wb") as file:
    file.write(huge.tobuf() + b"x" * 1024)
with open(f"{out}/garbage.tar", "wb") as file:
    file.write(bytes(range(256)) * 40)
