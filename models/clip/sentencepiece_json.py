"""A SentencePiece model file as a tokenizer.json, so that serving needs one tokenizer library."""

from pathlib import Path

from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors


def sentencepiece_as_json(path: Path, end_id: int) -> str:
    """The unigram model of a `spiece.model` with the end token behind every text.

    Raises:
      ValueError: the file is no unigram model.
    """
    proto = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString(path.read_bytes())
    if proto.trainer_spec.model_type != proto.trainer_spec.UNIGRAM:
        raise ValueError(f"{path.name} is no unigram model")
    vocabulary = [(piece.piece, piece.score) for piece in proto.pieces]
    tokenizer = Tokenizer(
        models.Unigram(vocabulary, proto.trainer_spec.unk_id, proto.trainer_spec.byte_fallback)
    )
    steps: list[normalizers.Normalizer] = []
    if proto.normalizer_spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap))
    # SentencePiece's remove_extra_whitespaces, after its own normalisation.
    steps += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
    tokenizer.normalizer = normalizers.Sequence(steps)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    end = proto.pieces[end_id].piece
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", special_tokens=[(end, end_id)]
    )
    controls = [
        AddedToken(piece.piece, lstrip=True, rstrip=True, normalized=False, special=True)
        for piece in proto.pieces
        if piece.type in (piece.CONTROL, piece.UNKNOWN)
    ]
    tokenizer.add_special_tokens(controls)
    return str(tokenizer.to_str())
