"""Starting programs that end with us and never run as root.

PostgreSQL refuses to run as root. Started by root, programs run as the owner of the data directory, or as nobody, and
keep the one capability (CAP_DAC_OVERRIDE) that lets them reach a directory or a wheel below one that is root's own.
"""

import ctypes
import functools
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_NOBODY: Final = 65534

_ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
# Nothing else is inherited: no PG* variable may change a server, and none of our secrets belongs in its environment.


class EmbeddedServerError(Exception):
    """A server cannot be found, started or stopped; the message says which, why and what to do."""


@functools.cache
def _may_run(*command: str) -> bool:
    return subprocess.run((*command, "true"), capture_output=True, check=False).returncode == 0  # noqa: S603 - setpriv


def _setpriv(death_signal: signal.Signals, *options: str) -> list[str] | None:
    """Return the command that ties to its parent what it runs, or None where it is missing or not allowed to."""
    program = shutil.which("setpriv")
    command = [program or "", "--pdeathsig", death_signal.name.removeprefix("SIG"), *options]
    return command if program is not None and _may_run(*command) else None


def _prctl_in_child(death_signal: signal.Signals) -> Callable[[], None] | None:
    """Return what does the same between fork and exec, or None where the kernel has no such call."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, int(death_signal))


@dataclass(frozen=True, slots=True)
class Launcher:
    """Starts programs as one user, each in a session of its own, and makes the files they need."""

    user: tuple[int, int] | None
    """The uid and gid to become; None to stay who we are, which then is not root."""

    @classmethod
    def for_directory(cls, data_dir: Path) -> Self:
        """Choose the user: ourselves, or for root the directory's owner, or nobody where that is root or nameless."""
        if os.geteuid() != 0:
            return cls(user=None)
        owner = data_dir.stat()
        usable = owner.st_uid != 0 and _has_name(owner.st_uid)
        return cls(user=(owner.st_uid, owner.st_gid) if usable else (_NOBODY, _NOBODY))

    def make_directory(self, path: Path) -> None:
        """Create a directory for the programs' user alone; one that exists is left as it is."""
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            return
        if self.user is not None:
            os.chown(path, *self.user, follow_symlinks=False)

    def create_file(self, path: Path) -> int:
        """Replace a file by an empty one for the programs' user alone, and return a descriptor to write to.

        The file is new each time: root would write through a link that somebody left in its place.
        """
        path.unlink(missing_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        if self.user is not None:
            os.fchown(descriptor, *self.user)
        return descriptor

    def write_file(self, path: Path, text: str) -> None:
        """Replace a file by a new one with this text, for the programs' user alone."""
        with os.fdopen(self.create_file(path), "w", encoding="utf-8") as file:
            file.write(text)

    def start(self, command: Sequence[str], *, log: Path, death_signal: signal.Signals) -> subprocess.Popen[bytes]:
        """Start a program with its output in a fresh log; `death_signal` reaches it when our thread ends.

        Raises:
            EmbeddedServerError: the user it must run as cannot reach the program.
        """
        prefix = self._prefix(death_signal)
        uid, gid = self.user if self.user is not None and prefix is None else (None, None)
        with os.fdopen(self.create_file(log), "wb") as output:
            try:
                return subprocess.Popen(  # noqa: S603 - programs we located ourselves
                    [*(prefix or ()), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env=_ENVIRONMENT,
                    user=uid,
                    group=gid,
                    extra_groups=None if uid is None else [],
                    preexec_fn=None if prefix else _prctl_in_child(death_signal),  # noqa: PLW1509 - one system call
                    start_new_session=True,
                )
            except PermissionError as error:
                program, *_ = command
                raise EmbeddedServerError(self.explain_unreachable(Path(program)) or str(error)) from error

    def explain_unreachable(self, *paths: Path) -> str | None:
        """Name the first directory above these paths that the programs' user may not enter, and say what to do."""
        if self.user is None or self._prefix(signal.SIGINT) is not None:
            return None
        uid, gid = self.user
        for directory in (parent for path in paths for parent in reversed(path.absolute().parents)):
            if not _may_enter(directory.stat(), uid=uid, gid=gid):
                return (
                    f"PostgreSQL does not run as root, and user {uid} may not enter {directory}: run"
                    f" `chmod o+x {directory}`, choose a directory elsewhere, install setpriv (util-linux),"
                    " or start this as an ordinary user"
                )
        return None

    def with_user_name(self, command: Sequence[str]) -> list[str]:
        """Prefix a command that must find its user's name, where we run under a number without one, as containers do.

        In a user namespace of its own the command is nobody, whose name every system has; what it writes stays ours.
        """
        namespace = ("unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}")
        needed = self.user is None and not _has_name(os.geteuid())
        return [*(namespace if needed and shutil.which("unshare") and _may_run(*namespace) else ()), *command]

    def _prefix(self, death_signal: signal.Signals) -> list[str] | None:
        if self.user is None:
            return _setpriv(death_signal)
        uid, gid = self.user
        become = (f"--reuid={uid}", f"--regid={gid}", "--clear-groups")
        # The secure bit is for access(2), by which PostgreSQL looks for its programs: it disregards capabilities of
        # everybody but root unless told not to fix anything up for a user.
        reach = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--securebits=+no_setuid_fixup")
        return _setpriv(death_signal, *become, *reach)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def _may_enter(directory: os.stat_result, *, uid: int, gid: int) -> bool:
    if directory.st_uid == uid:
        return bool(directory.st_mode & stat.S_IXUSR)
    if directory.st_gid == gid:
        return bool(directory.st_mode & stat.S_IXGRP)
    return bool(directory.st_mode & stat.S_IXOTH)
