"""The process that draws, as the indexer sees it."""

import asyncio
import contextlib
import logging
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeAlias

from servicekit.errors import Internal
from services.indexer.drawing.values import Drawing, Label, Tell, Vectors

_log = logging.getLogger(__name__)

Block: TypeAlias = tuple[Vectors, list[Label]]
"""Some products: their vectors (m, d), and what is known of each in words."""

_COMMAND: Final = (sys.executable, "-m", "services.indexer.drawing")
_THREADS_OF: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LAST_WORDS_BYTES: Final = 4_000


class DrawingProcess:
    """Starts a process for each map, and ends it where nobody wants the map any more.

    Args:
      threads: that it may compute with; 0: half of the cores, at least one.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads or max(1, (os.cpu_count() or 1) // 2)

    async def draw(self, blocks: Iterable[Block], tell: Tell) -> Drawing:
        """Draws products that come a block at a time; reads them in a thread of its own.

        Raises:
          Internal: the process died; the log has its last words.
        """
        loop = asyncio.get_running_loop()

        def tell_here(*progress: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(tell, *progress)

        talk = _Talk(self._threads)
        with ThreadPoolExecutor(1, "map-drawing") as thread:
            talking = loop.run_in_executor(thread, talk.run, blocks, tell_here)
            try:
                return await asyncio.shield(talking)
            finally:
                talk.end()
                await asyncio.gather(talking, return_exceptions=True)


class _Talk:
    """One process, fed and heard by one thread; another may end it at any time."""

    def __init__(self, threads: int) -> None:
        self._environment = {**os.environ, **dict.fromkeys(_THREADS_OF, str(threads))}
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ended = False

    def run(self, blocks: Iterable[Block], tell: Tell) -> Drawing:
        with tempfile.TemporaryFile() as last_words:
            process = self._start(last_words)
            try:
                return _converse(process, blocks, tell)
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                status = process.wait()
                if not self._ended:
                    last_words.seek(max(0, last_words.tell() - _LAST_WORDS_BYTES))
                    words = last_words.read().decode(errors="replace")
                    _log.error("drawing the map failed", extra={"status": status, "words": words})
                raise Internal(
                    f"The process that draws the map ended with status {status}.",
                    reason="INTERNAL",
                ) from error
            finally:
                self.end()
                process.wait()
                for pipe in (process.stdin, process.stdout):
                    if pipe is not None:
                        with contextlib.suppress(OSError):
                            pipe.close()

    def end(self) -> None:
        """Kills the process, or keeps it from starting; does nothing where it has ended."""
        with self._lock:
            self._ended = True
            if self._process is not None:
                self._process.kill()

    def _start(self, last_words: Any) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._ended:
                raise Internal("The drawing was ended before it began.", reason="INTERNAL")
            self._process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=last_words,
                env=self._environment,
            )
            return self._process


def _converse(process: subprocess.Popen[bytes], blocks: Iterable[Block], tell: Tell) -> Drawing:
    assert process.stdin is not None
    assert process.stdout is not None
    for block in blocks:
        pickle.dump(block, process.stdin, pickle.HIGHEST_PROTOCOL)
    pickle.dump(None, process.stdin)
    # Left open: the process ends when nobody holds this end any more.
    process.stdin.flush()
    while not isinstance(message := pickle.load(process.stdout), Drawing):
        tell(*message)
    return message
