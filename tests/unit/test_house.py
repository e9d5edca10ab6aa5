"""The plan of the house: who may import whom, and what a file may be called."""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("segmenter", "embedder", "indexer", "gateway")
HOMES = ("servicekit", "services", "models", "deploy", "clients/python/lookalike_client")

# Rooms that speak protobuf, in every service; a room is a file or a folder.
_SPEAKS_PROTOBUF = frozenset({"__main__", "servicer", "servicers", "wire", "upstreams"})
_OUTSIDE = frozenset({"backends", "store", "stores", "upstreams"})
# Where things are put together: these may know everything, and only they each other.
_COMPOSITION = frozenset({"__main__", "assembly", "model"})
_DOORWAY = frozenset({"servicer", "servicers"})
_SEE_AS_SERVED = ("adapt", "calibrate", "clip", "eval")


@dataclass(frozen=True, slots=True)
class Import:
    """A module imported somewhere."""

    file: Path
    line: int
    module: str

    def __str__(self) -> str:
        return f"{self.file.relative_to(ROOT)}:{self.line} imports {self.module}"


def _files(home: str) -> list[Path]:
    return sorted(path for path in (ROOT / home).rglob("*.py") if "__pycache__" not in path.parts)


def _imports(file: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(file.read_text(), filename=str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            for alias in node.names:
                yield Import(file, node.lineno, f"{node.module}.{alias.name}")


def _all_imports(home: str) -> list[Import]:
    return [found for file in _files(home) for found in _imports(file)]


def _is(found: Import, package: str) -> bool:
    return found.module == package or found.module.startswith(package + ".")


def _room(file: Path) -> str:
    """`wire` for services/gateway/wire/products.py and for services/gateway/wire.py."""
    return file.relative_to(ROOT / "services").parts[1].removesuffix(".py")


def _complain(found: list[Import]) -> None:
    assert not found, "\n" + "\n".join(map(str, found))


def test_there_is_something_to_check() -> None:
    assert all(len(_files(f"services/{service}")) > 5 for service in SERVICES)


@pytest.mark.parametrize("service", SERVICES)
def test_services_meet_through_stubs_only(service: str) -> None:
    others = [f"services.{other}" for other in SERVICES if other != service]
    _complain(
        [
            found
            for found in _all_imports(f"services/{service}")
            if any(_is(found, other) for other in others)
        ]
    )


@pytest.mark.parametrize("home", ["servicekit", "models", "clients/python/lookalike_client"])
def test_what_services_stand_on_knows_no_service(home: str) -> None:
    foreign = ["services", "deploy", "tests"]
    if home != "servicekit":
        foreign.append("lookalike_client" if home == "models" else "models")
    if home.startswith("clients"):
        foreign.append("servicekit")
    _complain(
        [
            found
            for found in _all_imports(home)
            if any(_is(found, package) for package in foreign)
            # Training and calibration see pixels exactly as serving does, by the same code.
            and not (home == "models" and ".preprocess" in found.module)
            # What is measured is what is served, masks, crops and pooling included.
            and not {ROOT / "models" / name for name in _SEE_AS_SERVED} & set(found.file.parents)
        ]
    )


@pytest.mark.parametrize("service", SERVICES)
def test_the_domain_imports_the_standard_library_and_numpy_only(service: str) -> None:
    # servicekit.errors is the standard library plus our typed tree. A domain that has grown into
    # several files is held to it as a whole.
    allowed = {*sys.stdlib_module_names, "numpy"}
    home = ROOT / "services" / service
    waiting, seen, foreign = [home / "domain.py"], set[Path](), list[Import]()
    while waiting:
        file = waiting.pop()
        seen.add(file)
        for found in _imports(file):
            own = home / (found.module.removeprefix(f"services.{service}.").split(".")[0] + ".py")
            if _is(found, f"services.{service}") and own.exists():
                waiting += [] if own in seen else [own]
            elif found.module.split(".")[0] not in allowed and not _is(found, "servicekit.errors"):
                foreign.append(found)
    _complain(foreign)


@pytest.mark.parametrize("service", SERVICES)
def test_only_wire_servicer_and_upstreams_speak_protobuf(service: str) -> None:
    _complain(
        [
            found
            for found in _all_imports(f"services/{service}")
            if _room(found.file) not in _SPEAKS_PROTOBUF
            and ("_pb2" in found.module or _is(found, "google.protobuf") or _is(found, "grpc"))
        ]
    )


@pytest.mark.parametrize("service", SERVICES)
def test_imports_go_inwards(service: str) -> None:
    package = f"services.{service}"

    def wrong(found: Import) -> bool:
        room = _room(found.file)
        if not _is(found, package) or room in _COMPOSITION:
            return False
        target = found.module.removeprefix(package + ".").split(".")[0]
        if target in _COMPOSITION:
            return True
        if target in _DOORWAY:
            return room not in _DOORWAY
        if target == "wire":
            return room not in _DOORWAY | _OUTSIDE | {"wire"}
        return target in _OUTSIDE and room != target

    _complain([found for found in _all_imports(package.replace(".", "/")) if wrong(found)])


@pytest.mark.parametrize("home", HOMES)
def test_torch_and_onnxruntime_stay_at_home(home: str) -> None:
    def allowed(found: Import) -> bool:
        parts = found.file.relative_to(ROOT).parts
        if parts[0] == "models":
            return True
        return _is(found, "onnxruntime") and parts[0] == "services" and "backends" in parts

    _complain(
        [
            found
            for found in _all_imports(home)
            if (_is(found, "torch") or _is(found, "onnxruntime")) and not allowed(found)
        ]
    )


def test_no_file_is_named_after_nothing() -> None:
    vague = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}
    paths = [path for home in (*HOMES, "tests") for path in _files(home)]
    assert [str(path) for path in paths if vague & {path.stem, *path.parts}] == []


def test_every_error_reason_in_the_code_is_in_the_contract() -> None:
    proto = (ROOT / "protos/lookalike/type/v1/error_reason.proto").read_text()
    unknown = [
        f"{file.relative_to(ROOT)}:{node.value.lineno} {node.value.value}"
        for home in HOMES
        for file in _files(home)
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.keyword)
        and node.arg == "reason"
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
        and f" ERROR_REASON_{node.value.value} =" not in proto
    ]
    assert unknown == []


def test_every_room_says_what_it_is() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for home in HOMES
        for file in _files(home)
        if file.read_text().strip() and not ast.get_docstring(ast.parse(file.read_text()))
    ]
    assert silent == []
