"""Which garment of a photograph a question means."""

import pytest

from services.gateway.query_vectors import garments_meant
from services.gateway.values import Garment


@pytest.mark.parametrize(
    ("wanted", "found", "used"),
    [
        (Garment.UPPER, {Garment.UPPER, Garment.FULL}, Garment.UPPER),
        (Garment.UPPER, {Garment.FULL, Garment.UNION}, Garment.FULL),
        (Garment.FULL, {Garment.UPPER, Garment.LOWER}, Garment.UPPER),
        (Garment.UPPER, {Garment.LOWER, Garment.UNION}, None),
        (Garment.LOWER, {Garment.FULL, Garment.UNION}, None),
        (Garment.UNION, {Garment.UNION}, Garment.UNION),
    ],
)
def test_a_coat_answers_for_an_upper_garment_but_never_for_trousers(
    wanted: Garment, found: set[Garment], used: Garment | None
) -> None:
    assert next((one for one in garments_meant(wanted) if one in found), None) == used
