"""From the vectors of photographs to the vectors of a product."""

import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Final, TypeVar

import numpy as np

from services.indexer.domain import Attributes, Garment, ProductImage, Slot, Vector

Value = TypeVar("Value")
_CONFUSABLE: Final[Mapping[Garment, Garment]] = {
    Garment.UPPER: Garment.FULL,
    Garment.FULL: Garment.UPPER,
}

_WORDS: Final[Mapping[Garment, str]] = {
    Garment.UPPER: """
        shirt shirts tee tees tshirt tshirts top tops hoodie hoodies hoody jacket jackets blouse
        blouses sweater sweaters sweatshirt sweatshirts jumper jumpers pullover pullovers cardigan
        cardigans bra bras tank tanks camisole camisoles vest vests gilet gilets waistcoat
        waistcoats blazer blazers polo polos tunic tunics bodice crop fleece fleeces knitwear
        turtleneck turtlenecks windbreaker windbreakers anorak anoraks bomber bombers bolero boleros
        outerwear singlet singlets
    """,
    Garment.LOWER: """
        trouser trousers jean jeans skirt skirts short shorts legging leggings pant pants bottom
        bottoms chino chinos jogger joggers sweatpant sweatpants capri capris culotte culottes
        tights denims cargos slacks breeches trunks boxers briefs skort skorts
    """,
    Garment.FULL: """
        dress dresses coat coats jumpsuit jumpsuits robe robes gown gowns playsuit playsuits romper
        rompers overall overalls dungaree dungarees suit suits tracksuit tracksuits trench
        trenches trenchcoat trenchcoats overcoat overcoats raincoat raincoats parka parkas kimono
        kimonos kaftan kaftans caftan caftans bodysuit bodysuits onesie onesies swimsuit swimsuits
        swimwear pyjama pyjamas pajama pajamas nightgown nightgowns nightdress sari saris saree
        sarees abaya abayas poncho ponchos cape capes sundress sundresses
    """,
    Garment.UNION: """
        shoe shoes sneaker sneakers trainer trainers boot boots sandal sandals heel heels loafer
        loafers slipper slippers footwear bag bags handbag handbags backpack backpacks purse purses
        wallet wallets tote totes accessory accessories hat hats cap caps beanie beanies scarf
        scarves glove gloves belt belts tie ties watch watches jewellery jewelry necklace necklaces
        earring earrings bracelet bracelets sunglasses glasses sock socks luggage umbrella umbrellas
    """,
}
_GARMENT_OF: Final[Mapping[str, Garment]] = {
    word: garment for garment, words in _WORDS.items() for word in words.split()
}
# "T-shirt" must not be read as a stray "t"; the rest of the hyphens separate words.
_TOKEN: Final = re.compile(r"t-shirts?|[^\W\d_]+")


def normalised(vector: Vector) -> Vector:
    """The vector at length 1; a zero vector as it is."""
    length = float(np.linalg.norm(vector.astype(np.float64)))
    return vector if length == 0.0 else (vector / length).astype(np.float32)


def named_garment(attributes: Attributes) -> Garment | None:
    """The garment that the attribute `category`, else `type`, names.

    The last known word decides: the head of an English compound ("shirt dress"), and the deepest
    step of a path ("Women/Tops/Tees").
    """
    for key in ("category", "type"):
        value = attributes.get(key)
        texts = value if isinstance(value, tuple) else (value,)
        for text in reversed(texts):
            if isinstance(text, str):
                tokens = [token.replace("-", "") for token in _TOKEN.findall(text.casefold())]
                known = [_GARMENT_OF[token] for token in tokens if token in _GARMENT_OF]
                if known:
                    return known[-1]
    return None


def own_garment(attributes: Attributes, images: Sequence[ProductImage]) -> Garment | None:
    """The garment that the product is; None if no image has a vector.

    What the category names, if any image has it (or what it is easily confused with); else the
    garment on which the views agree best among those in most views; else the union.
    """
    by_image = [_by_garment(image) for image in images if image.embeddings]
    if not by_image:
        return None
    named = named_garment(attributes)
    if named is not None:
        if any(named in vectors for vectors in by_image):
            return named
        confusable = _CONFUSABLE.get(named)
        if confusable and any(confusable in vectors for vectors in by_image):
            return confusable
    return _agreed(by_image)


def pool(own: Garment | None, images: Sequence[ProductImage]) -> dict[Slot, Vector]:
    """The product's vectors: the mean of its views' unit vectors, normalised again.

    Shapes: each (dimension,).
    """
    by_image = [_by_garment(image) for image in images if image.embeddings]
    pooled: dict[Slot, Vector] = {}
    for garment in Garment:
        views = [vectors[garment] for vectors in by_image if garment in vectors]
        if views:
            pooled[Slot(garment)] = _mean(views)
    if own is not None:
        views = [view for vectors in by_image if (view := view_of(own, vectors)) is not None]
        # A product of which no view shows anything like it is still found by its union.
        views = views or [vectors[max(vectors)] for vectors in by_image]
        pooled[Slot.OWN] = _mean(views)
    return pooled


def view_of(own: Garment, vectors: Mapping[Garment, Value]) -> Value | None:
    """What one photograph says about the product's own garment, of whatever is known by garment;
    None: it shows another."""
    for garment in (own, _CONFUSABLE.get(own)):
        if garment is not None and garment in vectors:
            return vectors[garment]
    # Where nothing else was told apart the union IS the garment; a blouse is no view of a skirt.
    if own is Garment.UNION or set(vectors) == {Garment.UNION}:
        return vectors.get(Garment.UNION)
    return None


def _agreed(by_image: Sequence[Mapping[Garment, Vector]]) -> Garment:
    best, best_cosine = Garment.UNION, -2.0
    single = [garment for garment in by_image[0] if garment is not Garment.UNION]
    if len(by_image) == 1:
        return single[0] if len(single) == 1 else _fallback(by_image)
    for garment in (Garment.UPPER, Garment.LOWER, Garment.FULL):
        views = [vectors[garment] for vectors in by_image if garment in vectors]
        if len(views) < 2 or 2 * len(views) <= len(by_image):
            continue
        pairs = [float(np.dot(a, b)) for a, b in combinations(views[:16], 2)]
        cosine = sum(pairs) / len(pairs)
        if cosine > best_cosine:
            best, best_cosine = garment, cosine
    return best if best_cosine > -2.0 else _fallback(by_image)


def _fallback(by_image: Sequence[Mapping[Garment, Vector]]) -> Garment:
    """The union, if there is one; else the garment that most photographs have."""
    counts = {garment: sum(garment in vectors for vectors in by_image) for garment in Garment}
    if counts[Garment.UNION]:
        return Garment.UNION
    return max(Garment, key=lambda garment: counts[garment])


def _by_garment(image: ProductImage) -> dict[Garment, Vector]:
    return {found.garment: normalised(found.vector) for found in image.embeddings}


def _mean(views: Sequence[Vector]) -> Vector:
    mean: Vector = np.stack(views).mean(axis=0, dtype=np.float64).astype(np.float32)
    return normalised(mean)
