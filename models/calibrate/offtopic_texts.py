"""What people ask a shop of clothes that it cannot answer.

Two lists that share no noun, to fit with and to test with. Neither is among the texts that
lookalike-mini was trained to know as no garment, so what is measured is what it makes of the new.
"""

import itertools

_FIT = (
    "bicycle pump", "capital of France", "how to bake sourdough bread", "gaming laptop 16 GB",
    "kitchen table made of oak", "dog food", "electric guitar", "car tyres 205/55 R16",
    "quarterly report of the bank", "a bowl of fresh strawberries", "garden hose", "mountain lake",
    "train to Berlin tomorrow morning", "smartphone with a good camera", "history of Rome",
    "washing machine", "drill bits for concrete", "children's book about dinosaurs", "house plant",
    "football match result", "python list comprehension", "fishing rod", "office chair", "aspirin",
    "the speed of light", "cat playing the piano", "coffee machine", "tent for four people",
    "wine from Italy", "lawn mower", "led light bulb", "swimming pool", "tax return", "toothbrush",
    "white sugar 1 kg", "blue whale", "black coffee beans", "red brick wall", "green tea",
    "pink salt",
    "yellow submarine", "grey concrete tiles", "brown rice", "orange carrots", "purple haze song",
    "wireless earbuds", "plumber near me", "best pizza in town", "flight to New York", "sofa bed",
    "cheap hotel in Rome", "baby stroller", "cordless drill", "stainless steel pan", "cat litter",
    "how do vaccines work", "solar panels for the roof", "used cars under 5000",
    "dishwasher tablets",
    "piano lessons for adults", "mathematics exercises for grade 7", "sunset over the ocean",
    "a dog running on the beach", "two elephants at a waterhole", "a plate of spaghetti",
    "bouquet of tulips", "steam locomotive", "wooden rowing boat", "skyline of Chicago at night",
    "hello", "test", "asdf", "what time is it", "thank you very much", "1234567890", "why",
    "cancel my subscription", "where is my parcel", "opening hours", "password reset",
)  # fmt: skip
_TEST = (
    "a red bicycle", "bicycle", "photograph of a cat", "cat", "a sleeping kitten", "puppy",
    "motorbike helmet stand", "diesel engine oil", "mountain bike with disc brakes", "tractor",
    "fresh salmon", "recipe for tomato soup", "chocolate biscuits", "a cup of espresso", "bananas",
    "bookcase", "floor lamp", "double mattress", "wall clock", "bath towel rail", "ceiling fan",
    "graphics card", "mechanical keyboard", "4k television", "inkjet printer", "usb cable",
    "acoustic drums", "trumpet for beginners", "vinyl record player", "chess set", "jigsaw puzzle",
    "rose bush", "oak tree in autumn", "snowy mountain peak", "waterfall in Iceland", "starry sky",
    "lion in the savannah", "green parrot", "goldfish bowl", "white horse on a meadow",
    "airport shuttle", "train timetable", "currency converter", "weather in Madrid", "stock prices",
    "how to tie a bowline", "quantum computing explained", "translate good morning to Japanese",
    "life insurance quote", "dentist appointment", "mortgage calculator", "birthday cake for kids",
    "orange paint for the fence", "black ink cartridge", "blue ballpoint pen", "yellow taxi",
    "pink flamingo", "brown envelope A4", "grey paving stones", "purple orchids", "silver spoon",
    "hammer and nails", "electric screwdriver", "vacuum cleaner bags", "garden shed",
    "barbecue grill",
    "hiking trail map", "treadmill", "tennis ball machine", "canoe paddle", "ski lift pass",
    "the theory of relativity", "who wrote Hamlet", "population of Canada", "qwerty", "lorem ipsum",
    "new phone", "contact support", "refund policy", "invoice number 4711", "gift card balance",
)  # fmt: skip


def to_fit() -> tuple[str, ...]:
    """Texts to fit with."""
    return _varied(_FIT)


def to_test() -> tuple[str, ...]:
    """Texts to test with."""
    return _varied(_TEST)


def _varied(texts: tuple[str, ...]) -> tuple[str, ...]:
    # As people ask for clothes, so that the form gives nothing away.
    forms = itertools.cycle(("{}", "buy {} online", "{}", "{} for women", "{}", "a photo of {}"))
    return tuple(
        dict.fromkeys([*texts, *(form.format(t) for form, t in zip(forms, texts, strict=False))])
    )
