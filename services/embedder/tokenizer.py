"""Texts to token ids, exactly as the model's own tokenizer.json says."""

from pathlib import Path

import numpy as np
import tokenizers

from services.embedder.domain import Tokens


class WordPieceTokenizer:
    """The reference tokenizer; thread-safe.

    A longer text loses its end, and the last token of what remains is still the end token:
    truncation happens before the special tokens are set around the text.
    """

    def __init__(self, path: Path, context_length: int) -> None:
        self._tokenizer = tokenizers.Tokenizer.from_file(str(path))
        # The file asks for padding to a fixed length; batches are padded to their own.
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(context_length)

    def encode(self, text: str) -> Tokens:
        """Token ids of one text, [CLS] and [SEP] included."""
        encoding = self._tokenizer.encode(text)
        return Tokens(np.array(encoding.ids, np.int32), bool(encoding.overflowing))
