"""Which texts run together."""

from hypothesis import given
from hypothesis import strategies as st

from services.embedder.backends.onnx import length_groups


@given(st.lists(st.integers(2, 128), max_size=100))
def test_every_text_runs_once_beside_texts_of_its_padded_length(lengths: list[int]) -> None:
    groups = length_groups(lengths)
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    for group in groups:
        padded = {-(-lengths[i] // 8) for i in group}
        assert len(padded) == 1
        assert len(group) * padded.pop() * 8 <= 1024
