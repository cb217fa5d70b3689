"""Processes that start with everything imported: forks of one that did nothing else.

A new Python process takes five CPU seconds to import PyTorch and Stable-Baselines3. A fork of the process
that runs the tests would inherit their threads and random states.
"""

import multiprocessing
import os
import signal
import sys

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        *("jumpgym.agents", "jumpgym.baselines.cli.main", "jumpgym.baselines.sb3.learners"),
        *("jumpgym.baselines.tuning.tune", "sb3_contrib"),
        "torch._dynamo",  # which the first optimizer imports
    ]
)


class Process:
    """A call of a function in a new process and process group; the interface is that of ``subprocess.Popen``.

    Args:
        function: a function that another process can import.
        arguments: of the function.
        folder: the working directory.

    Attributes:
        stdout: what the process and its own children print, also to the standard error; text.
    """

    def __init__(self, function, *arguments, folder):
        reader, writer = FORKS.Pipe(duplex=False)
        self._process = FORKS.Process(target=_call, args=(function, arguments, str(folder), writer))
        self._process.start()
        writer.close()
        self.stdout = open(os.dup(reader.fileno()))  # noqa: SIM115
        reader.close()
        self.pid = self._process.pid

    @property
    def returncode(self):
        """As of ``subprocess.Popen``: None while it runs, the negative signal of one that was killed."""
        return self._process.exitcode

    def wait(self, timeout):
        """Whether it ended within ``timeout`` seconds."""
        self._process.join(timeout)
        return self.returncode is not None

    def kill(self):
        """Kill the process, but not its children."""
        os.kill(self.pid, signal.SIGKILL)

    def finish(self):
        """Wait for the process and its children; the return code and what was printed since the last read."""
        with self.stdout:
            output = self.stdout.read()
        self._process.join()
        return self.returncode, output


def _call(function, arguments, folder, writer):
    os.setsid()
    os.chdir(folder)
    for standard in (1, 2):
        os.dup2(writer.fileno(), standard)
    writer.close()
    sys.stdout, sys.stderr = (os.fdopen(os.dup(standard), "w", buffering=1) for standard in (1, 2))
    sys.exit(function(*arguments))
