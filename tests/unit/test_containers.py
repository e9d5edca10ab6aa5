"""compose.yaml, Dockerfile and the Prometheus files agree with the services and with each other.

There need not be a Docker here: what Docker would only tell at run time is checked from the files.
"""

import importlib.util
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.local import edge, settings, tools
from servicekit import config
from services.embedder.config import EmbedderConfig
from services.gateway.config import GatewayConfig
from services.indexer.config import IndexerConfig
from services.segmenter.config import SegmenterConfig

ROOT = Path(__file__).resolve().parents[2]
CONFIGS: dict[str, type[Any]] = {
    "segmenter": SegmenterConfig,
    "embedder": EmbedderConfig,
    "indexer": IndexerConfig,
    "gateway": GatewayConfig,
    "edge-config": settings.EdgeConfig,
}


def _compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return document


def _services() -> dict[str, dict[str, Any]]:
    services: dict[str, dict[str, Any]] = _compose()["services"]
    return services


def _prefix(name: str) -> str:
    short = name.removesuffix("-gpu").removesuffix("-config")
    return f"LOOKALIKE_{short.upper()}_"


def _module_of(command: list[str]) -> str:
    assert command[:2] == ["python", "-m"]
    return command[2]


OURS = sorted(name for name, service in _services().items() if "build" in service)


def test_both_profiles_hold_the_whole_system() -> None:
    for profile, suffix in (("cpu", ""), ("gpu", "-gpu")):
        started = {
            name
            for name, service in _services().items()
            if profile in service.get("profiles", [profile])
        }
        models = {f"segmenter{suffix}", f"embedder{suffix}"}
        assert {"mongo", "indexer", "gateway", "edge", "prometheus", *models} <= started
    assert "COMPOSE_PROFILES=cpu" in (ROOT / ".env").read_text()


@pytest.mark.parametrize("name", OURS)
def test_every_variable_that_compose_sets_is_a_setting(name: str) -> None:
    service = _services()[name]
    cls = CONFIGS[name.removesuffix("-gpu")]
    known = {setting.name for setting in config.describe(cls, _prefix(name))}
    assert set(service["environment"]) <= known


@pytest.mark.parametrize("name", OURS)
def test_what_compose_sets_is_accepted(name: str) -> None:
    # `${NAME:-default}` as compose would fill it in where nothing is set.
    given = {
        key: re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(value))
        for key, value in _services()[name]["environment"].items()
    }
    loaded = config.load(CONFIGS[name.removesuffix("-gpu")], given, _prefix(name))
    # The default, 127.0.0.1, would be the container's own.
    assert loaded.host == "0.0.0.0"
    assert getattr(loaded, "metrics_host", "0.0.0.0") == "0.0.0.0"


@pytest.mark.parametrize("name", OURS)
def test_every_command_and_healthcheck_exists(name: str) -> None:
    service = _services()[name]
    modules = [_module_of(service["command"])]
    if name != "edge-config":
        kind, *test = service["healthcheck"]["test"]
        assert kind == "CMD"
        modules.append(_module_of(test))
        port = service["environment"][f"{_prefix(name)}PORT"]
        assert test[-1] == f"127.0.0.1:{port}"
    assert all(importlib.util.find_spec(module) for module in modules)


def test_services_are_called_by_the_names_and_ports_they_have() -> None:
    services = _services()
    gateway = services["gateway"]["environment"]
    for name in ("segmenter", "embedder", "indexer"):
        port = services[name]["environment"][f"{_prefix(name)}PORT"]
        assert gateway[f"LOOKALIKE_GATEWAY_{name.upper()}_TARGET"] == f"{name}:{port}"
    for name in ("segmenter", "embedder"):
        assert services[f"{name}-gpu"]["networks"]["backend"]["aliases"] == [name]
        assert services[f"{name}-gpu"]["environment"] == services[name]["environment"]
    port = gateway["LOOKALIKE_GATEWAY_PORT"]
    assert f"--gateway=gateway:{port}" in services["edge-config"]["command"]


def test_compose_uses_the_ports_that_a_local_run_uses() -> None:
    services = _services()
    for name, endpoint in settings.load_local({}).endpoints.items():
        environment = services[name]["environment"]
        assert environment[f"{_prefix(name)}PORT"] == str(endpoint.port)
        assert environment[f"{_prefix(name)}METRICS_PORT"] == str(endpoint.metrics_port)


def test_nothing_is_published_beyond_this_machine() -> None:
    for service in _services().values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    assert _compose()["networks"]["backend"]["internal"] is True
    assert _services()["mongo"]["networks"] == ["backend"]


def test_images_are_pinned_and_envoy_is_the_one_that_is_tested() -> None:
    for name, service in _services().items():
        _, _, tag = service["image"].rpartition(":")
        assert name in OURS or re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
    assert _services()["edge"]["image"] == f"envoyproxy/envoy:v{tools.ENVOY_VERSION}"


def test_every_named_volume_and_network_is_declared() -> None:
    compose = _compose()
    for service in _services().values():
        assert set(service["networks"]) <= set(compose["networks"])
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (ROOT / source).exists()


def test_dependencies_are_services_that_can_be_healthy() -> None:
    services = _services()
    for service in services.values():
        for name, condition in service.get("depends_on", {}).items():
            if condition["condition"] == "service_healthy":
                assert "healthcheck" in services[name]
            # Compose refuses a dependency outside the active profile unless it may be absent.
            assert "profiles" not in services[name] or condition["required"] is False


def test_the_database_is_a_replica_set_without_zlib() -> None:
    mongo = _services()["mongo"]
    assert "--replSet=rs0" in mongo["command"]
    assert "--networkMessageCompressors=snappy,zstd" in mongo["command"]
    assert "rs.initiate" in mongo["healthcheck"]["test"][-1]
    assert "replicaSet=rs0" in _services()["indexer"]["environment"]["LOOKALIKE_INDEXER_STORE"]


def test_what_the_dockerfile_copies_is_there_and_not_ignored() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from=" not in line:
            *sources, _ = shlex.split(line)[1:]
            assert all((ROOT / source).exists() for source in sources)
            kept = [{f"!{one}" for one in (source, *Path(source).parents)} for source in sources]
            assert all(names & set(ignored) for names in kept)


def test_the_image_runs_as_an_ordinary_user() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    last_stage = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert "USER lookalike" in last_stage


def test_prometheus_asks_every_service_at_its_metrics_port() -> None:
    prometheus = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    asked = {
        target
        for job in prometheus["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    services = _services()
    for name in ("segmenter", "embedder", "indexer", "gateway"):
        environment = services[name]["environment"]
        assert f"{name}:{environment[f'{_prefix(name)}METRICS_PORT']}" in asked
    edge_port = services["edge-config"]["environment"]["LOOKALIKE_EDGE_METRICS_PORT"]
    assert f"edge:{edge_port}" in asked


def test_promtool_accepts_configuration_and_alerts() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool on this machine (Debian's package prometheus has it)")
    done = subprocess.run(
        [promtool, "check", "config", str(ROOT / "deploy/prometheus/prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _page(folder: Path) -> Path:
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets/index-B2x.js").write_text("const price = '$1';")
    (folder / "assets/index-B2x.js.map").write_text("{}")
    return folder


@pytest.mark.parametrize("built", [True, False])
def test_envoy_accepts_what_is_rendered(tmp_path: Path, built: bool) -> None:
    rendered = tmp_path / "envoy.yaml"
    env = {
        "LOOKALIKE_EDGE_PAGE_DIR": str(_page(tmp_path / "page") if built else tmp_path / "none"),
        "LOOKALIKE_EDGE_ALLOWED_ORIGINS": "https://shop.example",
        "LOOKALIKE_EDGE_IMAGE_ORIGINS": "https://*.cdn.example,http://10.0.0.7:9000",
    }
    assert edge.main(["--out", str(rendered), "--gateway", "127.0.0.1:50050"], env) == 0
    done = subprocess.run(
        [str(tools.envoy_path()), "--mode", "validate", "-c", str(rendered), "-l", "warning"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # A warning is a field that Envoy will drop, or a setting that does not do what it says.
    assert done.stderr == ""


def test_rendering_for_another_place_changes_only_what_was_said(tmp_path: Path) -> None:
    out = tmp_path / "envoy.yaml"
    arguments = ["--out", str(out), "--gateway", "gateway:50050"]
    env = {"LOOKALIKE_EDGE_HOST": "0.0.0.0", "LOOKALIKE_EDGE_ALLOWED_HOSTS": "shop.example"}
    assert edge.main(arguments, env) == 0
    text = out.read_text()
    assert '"shop.example"' in text
    assert 'address: "gateway", port_value: 50050' in text
