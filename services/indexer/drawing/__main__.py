"""The process that draws: products on standard input, progress and then the map on standard output.

Both are pickles, as between the processes of `multiprocessing`; that one is not used, because it
would run the indexer's own `__main__` here again, with all that it imports.
"""

import os
import pickle
import signal
import sys
import threading
from typing import Any, BinaryIO, Final

import numpy as np

from services.indexer.drawing.draw import draw
from services.indexer.drawing.values import Label, Vectors
from services.indexer.maps import MapStage

# The last in every queue: nobody waits for a map as they wait for a search.
_NICENESS: Final = 19


def main() -> None:
    os.nice(_NICENESS)
    # Ctrl-C in a terminal reaches this process too; its parent decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    # What a library prints must not end up among the pickles.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(message: Any) -> None:
        pickle.dump(message, output, pickle.HIGHEST_PROTOCOL)
        output.flush()

    def tell(stage: MapStage, fraction: float) -> None:
        say((stage, fraction))

    vectors, labels = _products(sys.stdin.buffer)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    say(draw(vectors, labels, tell))


def _end_with_parent() -> None:
    # Past Python's buffer, whose lock would hold up the end of the interpreter.
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


def _products(source: BinaryIO) -> tuple[Vectors, list[Label]]:
    blocks: list[Vectors] = []
    labels: list[Label] = []
    while (block := pickle.load(source)) is not None:
        blocks.append(block[0])
        labels += block[1]
    return np.concatenate(blocks), labels


if __name__ == "__main__":
    main()
