"""Everything that decides the outcome of an adaptation, besides catalogue and model."""

from dataclasses import dataclass


class AdaptError(ValueError):
    """Something that the person at the keyboard can put right; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptSettings:
    """See the docstring under each field."""

    dimension: int = 0
    """Numbers of a vector; 0 keeps the model's own."""
    seed: int = 7
    held_out_share: float = 0.3
    """Of the products: neither trained on nor used to stop; the report's figures are theirs."""
    stopping_share: float = 0.15
    """Of the products: they tell when to stop."""
    views: int = 6
    """Pictures made of one photograph: as ingested, whole, and changed ones."""
    cut_outs: bool = True
    """Whether photographs go through the segmenter, as ingested ones do."""
    epochs: int = 80
    """Most epochs of each phase."""
    patience: int = 12
    """Epochs without gain, on the products for stopping, that end a phase."""
    everything: bool = True
    """Whether phase 2 runs."""
    products_per_batch: int = 128
    learning_rate: float = 3e-4
    """Of the projections in phase 1."""
    everything_learning_rate: float = 1e-4
    """Of the projections in phase 2; the model's own layers take a tenth of it."""
    view_temperature: float = 0.07
    words_weight: float = 1.0
    """Of the loss of captions, that of views being 1."""
    category_share: float = 0.05
    """Of a view's target that goes to other products of its category."""
    retention_weight: float = 4.0
    """Of the squared change of cosines between photographs and general words."""
    decay_weight: float = 2e-3
    """Of the squared distance of all trained numbers from where they began."""
    apart_weight: float = 2e-3
    """Of the squared difference between what the two towers' projections learned."""
    threads: int = 0
    """Of the networks and of the training; 0 takes all cores."""
