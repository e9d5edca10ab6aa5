"""Texts that are true of no garment, so that such a query scores low and can be marked weak.

Things of every kind but clothing and what is worn with it (bags, watches, jewellery stay out: a
shop of clothes may well sell them). `thresholds.py` measures with other texts than these.
"""

from collections.abc import Sequence

import numpy as np

_THINGS = (
    "car", "truck", "bus", "motorcycle", "bicycle", "scooter", "train", "aeroplane", "helicopter",
    "boat", "sailing ship", "engine", "brake pads", "windscreen wiper", "spark plug", "fuel filter",
    "laptop", "keyboard", "computer mouse", "monitor", "printer", "router", "tablet", "camera",
    "telephone", "headphones", "loudspeaker", "television", "remote control", "battery", "charger",
    "cable", "hard disk", "graphics card", "video game", "drone", "microphone", "projector",
    "sofa", "armchair", "table", "desk", "bookshelf", "wardrobe door", "bed frame", "mattress",
    "lamp", "chandelier", "carpet", "curtain rail", "mirror", "clock", "vase", "candle", "picture",
    "kettle", "toaster", "oven", "fridge", "dishwasher", "frying pan", "knife", "fork", "plate",
    "cup", "wine glass", "bottle", "lunch box", "cutting board", "blender", "vacuum cleaner",
    "hammer", "screwdriver", "saw", "nails", "ladder", "paint", "brick", "cement", "wooden plank",
    "shovel", "rake", "wheelbarrow", "flower pot", "seeds", "fertiliser", "greenhouse", "fence",
    "apple", "banana", "orange juice", "bread", "cheese", "milk", "eggs", "rice", "pasta", "soup",
    "chocolate cake", "ice cream", "pizza", "salad", "steak", "fish fillet", "beer", "tea", "honey",
    "dog", "cat", "horse", "cow", "elephant", "lion", "parrot", "goldfish", "snake", "butterfly",
    "tree", "rose", "forest", "river", "desert", "volcano", "beach at sunset", "cloud", "moon",
    "guitar amplifier", "violin", "drum kit", "trumpet", "sheet music", "concert ticket", "novel",
    "dictionary", "newspaper", "notebook paper", "pencil", "stapler", "envelope", "postage stamp",
    "football", "tennis racket", "golf club", "skis", "surfboard", "dumbbell", "treadmill",
    "chess board", "playing cards", "jigsaw puzzle", "doll house", "toy train", "building blocks",
    "shampoo", "toothpaste", "soap", "perfume", "lipstick", "hair dryer", "razor", "vitamin pills",
    "bandage", "thermometer", "wheelchair", "stethoscope", "vaccine", "hospital", "dentist",
    "school", "university", "museum", "hotel room", "airport", "bridge", "castle", "skyscraper",
    "bank account", "mortgage", "insurance policy", "stock market", "election", "parliament",
    "weather forecast", "traffic jam", "recipe", "homework", "job interview", "wedding venue",
    "planet Mars", "black hole", "quantum physics", "chemistry", "algebra", "philosophy", "poem",
    "software update", "password", "database", "compiler error", "web browser", "spreadsheet",
)  # fmt: skip
_TEMPLATES = (
    "{0}", "{0}", "{1} {0}", "{1} {0}", "a photo of a {1} {0}", "cheap {0}", "how to choose a {0}",
    "the best {0} for women", "{0} for men", "what is {0}?", "buy a {1} {0} online",
    "{0} made of soft material", "a picture of a {0}", "new {0}, free delivery", "{0} repair",
)  # fmt: skip


def off_topic_texts(colours: Sequence[str], count: int, rng: np.random.Generator) -> list[str]:
    """Different texts, some with a colour."""
    texts: dict[str, None] = {}
    while len(texts) < count:
        template = str(rng.choice(_TEMPLATES))
        texts[template.format(rng.choice(_THINGS), rng.choice(list(colours)))] = None
    return list(texts)
