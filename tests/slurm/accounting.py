"""The accounting database of a loopback cluster, which holds the limits of users."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("slurmdbd", "mariadbd", "mariadb", "mariadb-install-db", "sacctmgr")
CONFIGURATION = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={port}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm
PidFile={folder}/slurmdbd.pid
LogFile={folder}/slurmdbd.log
"""
OF_CLUSTER = """\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={port}
AccountingStoragePass={folder}/munge/socket
AccountingStorageEnforce=limits
"""


def missing() -> str:
    """Why there can be no accounting here, or ""."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)} (Debian: slurmdbd mariadb-server)" if absent else ""


@dataclass
class Accounting:
    """mariadbd on a socket, and slurmdbd on the loopback interface, below the folder of a cluster."""

    folder: Path
    port: int
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def configuration(self) -> str:
        """Lines of slurm.conf."""
        return OF_CLUSTER.format(folder=self.folder, port=self.port)

    def start(self) -> None:
        """Start both; munged is running."""
        data, socket = self.folder / "db", self.folder / "db" / "socket"
        install = ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}"]
        subprocess.run([*install, "--auth-root-authentication-method=normal"], check=True, stdout=subprocess.DEVNULL)
        server = ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={socket}"]
        self._processes.append(subprocess.Popen([*server, "--skip-networking"], stderr=subprocess.DEVNULL))
        self._wait(socket.exists)
        words = "create user slurm@localhost identified by 'slurm'; grant all on *.* to slurm@localhost"
        subprocess.run(["mariadb", "--no-defaults", f"--socket={socket}", "-e", words], check=True)
        file = self.folder / "slurmdbd.conf"
        file.write_text(CONFIGURATION.format(folder=self.folder, port=self.port))
        file.chmod(0o600)
        variables = {**os.environ, "MYSQL_UNIX_PORT": str(socket), "SLURM_CONF": str(self.folder / "slurm.conf")}
        self._processes.append(subprocess.Popen(["slurmdbd", "-D"], env=variables, stderr=subprocess.DEVNULL))
        log = self.folder / "slurmdbd.log"
        self._wait(lambda: log.exists() and "started" in log.read_text())

    def stop(self) -> None:
        """End both."""
        for process in reversed(self._processes):
            process.terminate()
            process.wait(30)

    def _wait(self, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not is_ready():
            if time.monotonic() > deadline:
                raise RuntimeError(f"the accounting did not start: see {self.folder}")
            time.sleep(0.1)
