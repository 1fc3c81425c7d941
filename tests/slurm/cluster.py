"""A Slurm cluster on the loopback interface: one controller and a few nodes on this machine, below one folder."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from .accounting import Accounting

CONFIGURATION = """\
ClusterName=loopback
SlurmctldHost={host}(127.0.0.1)
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=10
SlurmctldPort={port}
StateSaveLocation={folder}/controller
SlurmdSpoolDir={folder}/%n
SlurmctldPidFile={folder}/controller.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/controller.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
{accounting}JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,bf_interval=1,sched_interval=2
SlurmdParameters=config_overrides
SlurmdTimeout=10
ReturnToService=2
MpiDefault=none
KillWait=5
MinJobAge={job_age}
MaxArraySize={array_size}
MaxJobCount={jobs}
NodeName=DEFAULT CPUs={cpus} RealMemory=4000 State=UNKNOWN
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}]
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
NO_ACCOUNTING = "AccountingStorageType=accounting_storage/none\n"
PROGRAMS = ("sbatch", "squeue", "slurmctld", "slurmd", "munged")


def missing() -> str:
    """Why no cluster can be started here, or ""."""
    if os.geteuid() != 0:
        return "a loopback cluster of Slurm needs root"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"not installed: {', '.join(absent)} (Debian: apt-get install slurm-wlm munge)" if absent else ""


@dataclass
class Cluster:
    """One controller and `nodes` nodes with `cpus` processors each, whatever this machine has."""

    folder: Path
    nodes: int = 3
    cpus: int = 1
    array_size: int = 1001
    jobs: int = 20_000
    """`MaxJobCount`."""
    job_age: int = 60
    """Seconds for which tasks that ended are listed."""
    port: int = 16817
    max_submit: int = 0
    """`MaxSubmitJobs` of root, in an accounting database; 0: there is none."""
    _accounting: Accounting | None = field(default=None, repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which clients find the cluster."""
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def start(self) -> None:
        """Start everything, and wait until all nodes are idle."""
        munge = self.folder / "munge"
        munge.mkdir(parents=True, mode=0o700)
        (self.folder / "controller").mkdir()
        (munge / "key").write_bytes(secrets.token_bytes(128))
        (munge / "key").chmod(0o400)
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        subprocess.run(["munged", "--force", *(f"--{k}={munge / v}" for k, v in files.items())], check=True)
        if self.max_submit:
            self._accounting = Accounting(self.folder, self.port - 1)
            self._accounting.start()
        host, first = socket.gethostname().split(".")[0], self.port + 4
        (self.folder / "slurm.conf").write_text(
            CONFIGURATION.format(
                host=host,
                folder=self.folder,
                port=self.port,
                array_size=self.array_size,
                jobs=self.jobs,
                job_age=self.job_age,
                accounting=self._accounting.configuration if self._accounting else NO_ACCOUNTING,
                nodes=self.nodes,
                cpus=self.cpus,
                first=first,
                last=first + self.nodes - 1,
            )
        )
        if self.max_submit:
            self._add_limits()
        self.start_controller("-c")
        for number in range(1, self.nodes + 1):
            self.start_node(number)
        deadline = time.monotonic() + 30
        while self.states() != {"idle"}:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the cluster did not start: {self.states()}; see {self.folder}")
            time.sleep(0.1)

    def _add_limits(self) -> None:
        limit = f"MaxSubmitJobs={self.max_submit}"
        added = (["cluster", "loopback"], ["account", "lab"], ["user", "root", "account=lab", limit])
        for words in added:
            command = ["sacctmgr", "--immediate", "--quiet", "add", *words]
            subprocess.run(command, env=self.environment, check=True, capture_output=True, timeout=60)

    def start_controller(self, *options: str) -> None:
        """Start the controller; with ``-c`` without its saved state."""
        subprocess.run(["slurmctld", *options], env=self.environment, check=True)

    def start_node(self, number: int) -> None:
        """Start a node, which has mounts of its own."""
        (self.folder / f"n{number}").mkdir(exist_ok=True)
        command = ["unshare", "--mount", "slurmd", "-N", f"n{number}"]
        subprocess.run(command, env=self.environment, check=True)

    def resume(self, number: int) -> None:
        """Let a node accept tasks again, as an administrator does after a task failed to start on it."""
        command = ["scontrol", "update", f"nodename=n{number}", "state=resume"]
        subprocess.run(command, env=self.environment, capture_output=True, timeout=60)

    def hide(self, number: int, folder: Path, *, hidden: bool) -> None:
        """Let a folder be empty for a node and its tasks, or end that."""
        node = (self.folder / f"n{number}.pid").read_text().strip()
        command = ["mount", "-t", "tmpfs", "none", str(folder)] if hidden else ["umount", "--lazy", str(folder)]
        subprocess.run(["nsenter", "--mount", f"--target={node}", *command], check=True)

    def kill(self, name: str) -> None:
        """Kill ``controller`` or a node such as ``n2``, but not the tasks of the node."""
        with suppress(OSError, ValueError):
            os.kill(int((self.folder / f"{name}.pid").read_text()), signal.SIGKILL)

    def states(self) -> set[str]:
        """States of the nodes."""
        command = ["sinfo", "-h", "-o", "%T"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=20)
        return set(done.stdout.split())

    def stop(self) -> None:
        """End everything, also running tasks."""
        with suppress(subprocess.SubprocessError):
            subprocess.run(["scancel", "-u", "root", "-f"], env=self.environment, timeout=10, capture_output=True)
        for name in (*(f"n{number}" for number in range(1, self.nodes + 1)), "controller"):
            self.kill(name)
        if self._accounting is not None:
            self._accounting.stop()
        with suppress(OSError, ValueError):
            os.kill(int((self.folder / "munge" / "pid").read_text()), signal.SIGTERM)


def tasks() -> list[psutil.Process]:
    """The programs that compute work items now."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = process.info["cmdline"] or []
        if "oceanpath.pipeline.executors.slurm.task" in line and "python" in Path(line[0]).name:
            found.append(process)
    return found
