"""Runs the guest's kernel with one answer of this machine's kernel taken away; needs no package.

``ptrace(PTRACE_GETREGSET, NT_X86_XSTATE)`` fails, so that User Mode Linux keeps the registers that FXSAVE
knows and no others: the buffer of its release 6.1 is too small for what processors have today, and the kernel
then refuses to set them (seccomp(2), ptrace(2)).
"""

import ctypes
import os
import random
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _FAIL = 0x7FFF0000, 0x00050000 | 5
_PTRACE, _GETREGSET, _XSTATE = 101, 0x4204, 0x202
_NUMBER, _REQUEST, _WHICH = 0, 16, 32
"""Offsets in ``struct seccomp_data``; the low halves of the arguments."""


def forbid() -> None:
    """Install the filter, for this process and its descendants."""
    program = b"".join(
        struct.pack("HBBI", *instruction)
        for instruction in (
            (_LOAD, 0, 0, _NUMBER),
            (_EQUAL, 0, 5, _PTRACE),
            (_LOAD, 0, 0, _REQUEST),
            (_EQUAL, 0, 3, _GETREGSET),
            (_LOAD, 0, 0, _WHICH),
            (_EQUAL, 0, 1, _XSTATE),
            (_RETURN, 0, 0, _FAIL),
            (_RETURN, 0, 0, _ALLOW),
        )
    )
    code = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _MODE_FILTER, ctypes.create_string_buffer(described), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "seccomp")


if __name__ == "__main__":
    forbid()
    # On one processor the guest's system calls are several times as fast.
    os.sched_setaffinity(0, {random.choice(sorted(os.sched_getaffinity(0)))})  # noqa: S311 - no secret
    os.execv(sys.argv[1], sys.argv[1:])  # noqa: S606 - an argument vector, never a shell
