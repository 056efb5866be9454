"""mrjob's local runner, with nothing between the launcher and its tasks."""

from __future__ import annotations

import functools
import signal
import subprocess
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any, BinaryIO, Final

from mrjob.local import LocalMRJobRunner
from mrjob.step import StepFailedException

from model_dofns.jobs.threads import environment_of_each

# A signal is heard between two waits, should it come at a moment at which it wakes no one.
_WAIT_SECONDS: Final = 1.0


class LocalRunner(LocalMRJobRunner):  # type: ignore[misc]  # mrjob ships no types
    """Runs several tasks at once, each in a process of its own.

    mrjob's own runner forks a pool of processes that wait for those of the tasks. A launcher has
    threads by then (Arrow's), whose locks a forked process may wait for in vain; interrupted, the
    pool prints tracebacks, or is waited for in vain as well; and the tasks do not see when the
    launcher dies, as the pool does not. Here threads wait for them.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._running: set[subprocess.Popen[bytes]] = set()
        self._for_each: dict[str, str] = {}  # in the environment of a task
        self._ends = False
        self._lock = threading.Lock()

    def _run_multiple(
        self, funcs: Iterable[Callable[[], None]], num_processes: int | None = None
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            # Where a model has them ignored, no one learns how a task has ended.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        tasks = list(funcs)
        at_once = num_processes or self._num_cores()
        self._for_each = environment_of_each(min(len(tasks), at_once))
        with ThreadPoolExecutor(at_once) as threads:
            try:
                futures = [threads.submit(task) for task in tasks]
                waiting = set(futures)
                while waiting:
                    done, waiting = wait(futures, _WAIT_SECONDS, FIRST_EXCEPTION)
                    for future in done:
                        future.result()
            except BaseException:
                threads.shutdown(wait=False, cancel_futures=True)
                self._end_all()
                raise

    def _end_all(self) -> None:
        with self._lock:
            self._ends = True
            for process in self._running:
                process.kill()

    def _invoke_task_func(self, task_type: str, step_num: int, task_num: int) -> Any:
        words = self._substep_args(step_num, task_type)
        return functools.partial(self._run_apart, words, step_num)

    def _run_apart(
        self,
        words: Sequence[str],
        step_num: int,
        stdin: BinaryIO,
        stdout: BinaryIO,
        stderr: BinaryIO,
        wd: str,
        env: dict[str, str],
    ) -> None:
        """Run one task.

        Raises:
            StepFailedException: it has not ended well.
        """
        with self._lock:
            if self._ends:
                return
            process = subprocess.Popen(
                words, stdin=stdin, stdout=stdout, stderr=stderr, cwd=wd, env=self._for_each | env
            )
            self._running.add(process)
        exit_code = process.wait()
        with self._lock:
            self._running.discard(process)
        if exit_code:
            raise StepFailedException(
                reason=str(subprocess.CalledProcessError(exit_code, words)),
                step_num=step_num,
                num_steps=self._num_steps(),
            )
