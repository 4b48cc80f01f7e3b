"""Names for processes that hold a row for a while, by which others on the same machine see whether they have ended."""

import os
import platform
import secrets


def new_holder() -> str:
    """A name that no other process has, or will have: machine, process, and letters of its own."""
    return f"{platform.node()}:{os.getpid()}:{secrets.token_hex(4)}"


def is_gone(holder: str) -> bool:
    """Whether it was a process of this machine that has ended; who is elsewhere may live."""
    host, _, process = holder.rpartition(":")[0].rpartition(":")
    if host != platform.node() or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
