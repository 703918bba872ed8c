"""Run a program as the user `nobody`, which keeps root's right to pass through folders.

Run by path with `python -I`, as root: `as_nobody.py COMMAND [ARGUMENT...]`.

Postgres refuses to run as root (it checks the effective user id only), but the checkout may lie in a
folder that only root can enter, such as /root. So the two capabilities that override file permissions are
kept through the change of user, as ambient ones, which survive `exec`. The process loses every other right
of root.
"""

import ctypes
import os
import pwd
import sys
from pathlib import Path

PR_SET_SECUREBITS = 28
SECBIT_NO_SETUID_FIXUP = 1 << 2
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
CAPABILITIES = (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH)

libc = ctypes.CDLL(None, use_errno=True)


class CapabilityHeader(ctypes.Structure):
    """The kernel's `struct __user_cap_header_struct`."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class CapabilitySet(ctypes.Structure):
    """The kernel's `struct __user_cap_data_struct`: 32 capabilities."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def check(result: int, call: str) -> None:
    """Raise `OSError` if a call of the C library failed."""
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def permitted() -> set[int]:
    """Return the capabilities to keep that this process has. Containers remove some."""
    lines = Path("/proc/self/status").read_text().splitlines()
    mask = next(int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:"))
    return {capability for capability in CAPABILITIES if mask >> capability & 1}


def change_user(user: pwd.struct_passwd) -> None:
    """Become `user` for good, with the two capabilities. Raises `OSError`."""
    # With this bit the capabilities survive the change of user, and access(), with which initdb looks for
    # its programs, respects them. Where the bit is not allowed they are lost, which matters only if the
    # checkout is closed to other users.
    keeps = libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0) == 0
    capabilities = permitted() if keeps else set()
    os.setgroups([])
    os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
    os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
    mask = sum(1 << capability for capability in capabilities)
    header = CapabilityHeader(CAPABILITY_VERSION_3, 0)
    sets = (CapabilitySet * 2)(CapabilitySet(mask, mask, mask))
    check(libc.capset(ctypes.byref(header), ctypes.byref(sets)), "capset")
    for capability in capabilities:
        raised = libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0)
        check(raised, f"PR_CAP_AMBIENT {capability}")


def main(command: list[str]) -> None:
    """Drop root's rights and become the command."""
    try:
        change_user(pwd.getpwnam("nobody"))
    except (OSError, KeyError) as error:
        sys.exit(f"cannot give up root's rights ({error}): start the stack as an ordinary user")
    try:
        os.execvp(command[0], command)  # noqa: S606 - no shell is the point
    except PermissionError as error:
        sys.exit(
            f"{error}: user nobody cannot reach the checkout, and this machine does not let root "
            "pass that right on. Start the stack as an ordinary user, or move the checkout to a "
            "folder that every user can enter."
        )


if __name__ == "__main__":
    main(sys.argv[1:])
