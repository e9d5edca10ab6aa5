"""One measurement from beginning to end: what was asked, computed, and found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.eval.catalogue import (
    PLAIN_AND_GREEN,
    SETTINGS,
    UNION,
    Catalogue,
    averaged,
    cut_catalogue,
    plain_catalogue,
    setting_vectors,
    settings_needed,
    without_own,
)
from models.eval.cutouts import GREEN, PLAIN, Cutouts, Shown
from models.eval.findings import Finding, findings
from models.eval.floors import FLOORS, floor_cache, floor_vectors
from models.eval.gather import Embeddings, ensure_masks, unreadable
from models.eval.layout import LabelledSet, Measuring, read_measuring, without
from models.eval.mask_cache import MaskCache
from models.eval.photographs import Photographs
from models.eval.progress import Steps
from models.eval.protocols import Vectors
from models.eval.recognition import (
    Categories,
    Outlines,
    categories_of,
    outlines_of,
    texts_of_classes,
)
from models.eval.retrieval import Views, Words, views_of, words_of
from models.eval.served import Provider, ServedModel
from models.eval.tables import Figure, Tables, figures
from models.eval.vector_cache import VectorCache
from services.segmenter.backends.onnx import Variant
from services.segmenter.domain import Garment

PROTOCOLS = "ABCD"
FLOOR_OF_MASKS = "floor: everything"


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure; see the command's options."""

    data: Path
    model: str
    segmenter: Variant = "auto"
    settings: tuple[str, ...] = SETTINGS
    protocols: str = PROTOCOLS
    shops: tuple[str, ...] = ()
    limit: int = 0
    dimension: int = 0
    threads: int = 0
    provider: Provider = "cpu"
    seed: int = 0


@dataclass(slots=True)
class Evaluation:
    """All that was found.

    figures: by protocol, setting, scope and metric. skipped: why, by protocol. served: the setting
    that the contact sheets show, as close to what ingest does as was asked for.
    """

    request: Request
    model: ServedModel
    segmenter_version: str
    counts: Mapping[str, int]
    served: str
    cutouts: Cutouts
    tables: Tables = field(default_factory=dict)
    figures: dict[str, dict[str, dict[str, dict[str, Figure]]]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    measuring: Measuring | None = None
    catalogue: Catalogue | None = None
    views: Views | None = None
    words: Words | None = None
    categories: Categories | None = None
    outlines: Outlines | None = None


class Run:
    """The steps of one measurement, sharing caches."""

    def __init__(self, request: Request, steps: Steps) -> None:
        self._request = request
        self._steps = steps
        self._photographs = Photographs()
        self._model = ServedModel(
            request.model,
            threads=request.threads,
            dimension=request.dimension,
            provider=request.provider,
        )
        self._masks = MaskCache(request.segmenter, request.threads)
        self._cutouts = Cutouts(self._photographs, self._masks, self._model.image_side_px)
        cache = VectorCache(self._model.version, self._model.fingerprint)
        self._embeddings = Embeddings(self._model, self._cutouts, cache, steps)
        self._settings = settings_needed(request.settings)

    def evaluate(self) -> Evaluation:
        """Measures.

        Raises:
          LayoutError: the data cannot be read.
        """
        request = self._request
        asked = read_measuring(request.data, request.shops, request.limit)
        wanted: list[Path] = []
        if self._retrieving:
            wanted += [path for one in asked.products for path in one.images]
        if "C" in request.protocols:
            wanted += [photo.path for one in asked.labelled for photo in one.photos]
        if "D" in request.protocols:
            wanted += [photo.path for photo in asked.masked]
        bad = unreadable(self._photographs, self._masks, wanted, self._steps)
        data = without(asked, bad)
        result = Evaluation(
            request,
            self._model,
            self._masks.version,
            {
                "products": len(data.products),
                "product photographs": sum(len(one.images) for one in data.products),
                "text queries": len(data.queries),
                "labelled photographs": sum(len(one.photos) for one in data.labelled),
                "photographs with masks": len(data.masked),
            },
            self._served_setting(),
            self._cutouts,
            unreadable={str(path): why for path, why in bad.items()},
            measuring=data,
        )
        self._prepare_masks(data)
        self._retrieval(data, result)
        self._categories(data, result)
        self._outlines(data, result)
        for protocol, settings in result.tables.items():
            result.figures[protocol] = {
                setting: figures(table, request.seed) for setting, table in settings.items()
            }
        result.findings = findings(result.tables, request.seed)
        return result

    def _served_setting(self) -> str:
        best = PLAIN_AND_GREEN if self._model.photograph_weight else GREEN
        return next((one for one in (best, GREEN) if one in self._settings), self._settings[0])

    def _prepare_masks(self, data: Measuring) -> None:
        wanted: list[Path] = []
        if "D" in self._request.protocols:
            wanted += [photo.path for photo in data.masked]
        if self._cutting:
            if self._retrieving:
                wanted += [path for one in data.products for path in one.images]
            if "C" in self._request.protocols:
                wanted += [photo.path for one in data.labelled for photo in one.photos]
        ensure_masks(self._masks, self._photographs, wanted, self._steps)

    @property
    def _cutting(self) -> bool:
        return self._settings != [PLAIN]

    @property
    def _retrieving(self) -> bool:
        return bool({"A", "B"} & set(self._request.protocols))

    def _retrieval(self, data: Measuring, result: Evaluation) -> None:
        reasons = {
            "A": "" if data.products else "no products/products.jsonl",
            "B": "" if data.queries and data.products else "no products/queries.jsonl with answers",
        }
        for protocol, reason in reasons.items():
            if protocol not in self._request.protocols:
                result.skipped[protocol] = "not asked for"
            elif reason:
                result.skipped[protocol] = reason
        if not data.products or not self._retrieving:
            return
        if self._cutting:
            own = cut_catalogue(data.products, self._cutouts, self._embeddings)
        else:
            own = plain_catalogue(data.products)
        whole = without_own(own)
        result.catalogue = own
        if "A" not in result.skipped:
            result.tables["A"] = {}
            floors = floor_cache()
            for name, garment in FLOORS.items():
                if self._cutting or not garment:
                    catalogue = own if garment else whole
                    vectors = floor_vectors(
                        catalogue, self._cutouts, floors, self._steps, garment=garment
                    )
                    self._view_table(catalogue, vectors, name, result)
        if "B" not in result.skipped:
            result.tables["B"] = {}
        texts = self._embeddings.texts([one.text for one in data.queries])
        for setting in self._settings:
            catalogue = whole if setting in (PLAIN, UNION) else own
            vectors = setting_vectors(catalogue, setting, self._embeddings)
            if setting == result.served:
                result.catalogue = catalogue
            if "A" not in result.skipped:
                self._view_table(catalogue, vectors, setting, result)
            if "B" not in result.skipped:
                words = words_of(catalogue, vectors, data.queries, texts)
                assert words is not None  # every query of `data` has an answer in it
                result.tables["B"][setting] = words.table
                if setting == result.served:
                    result.words = words

    def _view_table(
        self,
        catalogue: Catalogue,
        vectors: Mapping[str, Vectors],
        setting: str,
        result: Evaluation,
    ) -> None:
        views = views_of(catalogue, vectors)
        if views is None:
            result.skipped["A"] = "no product has two views"
            result.tables.pop("A", None)
            return
        result.tables["A"][setting] = views.table
        if setting == result.served:
            result.views = views

    def _categories(self, data: Measuring, result: Evaluation) -> None:
        if "C" not in self._request.protocols or not data.labelled:
            asked = "C" in self._request.protocols
            result.skipped["C"] = "no labels.csv" if asked else "not asked for"
            return
        texts = self._embeddings.texts(texts_of_classes(data.labelled))
        result.tables["C"] = {}
        # No category is known here, so that the union is what a garment photographed alone is.
        for setting in (name for name in self._settings if name != UNION):
            answer = categories_of(
                data.labelled, self._label_vectors(data.labelled, setting), texts
            )
            result.tables["C"][setting] = answer.table
            if setting == result.served:
                result.categories = answer

    def _label_vectors(self, sets: Sequence[LabelledSet], setting: str) -> dict[Path, Vectors]:
        paths = [photo.path for one in sets for photo in one.photos]

        def single(name: str) -> dict[Path, Vectors]:
            garment = None if name == PLAIN else Garment.UNION
            shown = {path: Shown(path, garment, name) for path in paths}
            vectors = self._embeddings.images(f"categories, {name}", shown.values())
            return {path: vectors[one] for path, one in shown.items()}

        return averaged(setting, single, self._model.photograph_weight)

    def _outlines(self, data: Measuring, result: Evaluation) -> None:
        if "D" not in self._request.protocols or not data.masked:
            asked = "D" in self._request.protocols
            result.skipped["D"] = "no masks/masks.csv" if asked else "not asked for"
            return
        answer = outlines_of(data.masked, self._cutouts, self._steps)
        result.tables["D"] = {FLOOR_OF_MASKS: answer.floor, self._masks.variant: answer.table}
        result.outlines = answer
