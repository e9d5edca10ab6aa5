"""Settings: read once, all mistakes told together, documented under each field."""

import contextlib
from dataclasses import FrozenInstanceError, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicekit.config import (
    ConfigError,
    Env,
    Range,
    Secret,
    ServerConfig,
    Setting,
    describe,
    load,
)


class Precision(StrEnum):
    FP32 = "fp32"
    INT8 = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample(ServerConfig):
    port: Annotated[int, Range(0, 65535)] = 50099
    """Port of the sample."""

    metrics_port: Annotated[int, Range(0, 65535)] = 9199

    weights: Path
    """Where the weights are,
    as a file."""

    precision: Precision = Precision.INT8
    provider: Literal["cpu", "cuda"] = "cpu"
    strict: bool = False
    threads: Annotated[int | None, Range(1, 64)] = None
    share: Annotated[float, Range(max=1)] = 0.5
    token: Secret = field(default_factory=lambda: Secret("none"))
    peers: tuple[str, ...] = ()
    cache: Annotated[Path, Env("SAMPLE_CACHE")] = field(default_factory=lambda: Path("/tmp/c"))

    def __post_init__(self) -> None:
        if self.provider == "cuda" and self.precision is Precision.INT8:
            raise ValueError("X_PROVIDER cuda runs fp32 only; set X_PRECISION to fp32.")


def test_a_configuration_comes_from_the_environment() -> None:
    config = load(
        Sample,
        {
            "X_WEIGHTS": "/w",
            "X_PORT": "1",
            "X_PRECISION": "fp32",
            "X_PROVIDER": "cuda",
            "X_STRICT": "Yes",
            "X_THREADS": "4",
            "X_SHARE": " 0.25 ",
            "X_TOKEN": "t",
            "X_PEERS": "a:1, b:2,",
            "SAMPLE_CACHE": "/c",
            "OTHER": "ignored",
        },
        prefix="X_",
    )
    assert config == Sample(
        port=1,
        weights=Path("/w"),
        precision=Precision.FP32,
        provider="cuda",
        strict=True,
        threads=4,
        share=0.25,
        token=Secret("t"),
        peers=("a:1", "b:2"),
        cache=Path("/c"),
    )
    with pytest.raises(FrozenInstanceError):
        config.port = 2  # type: ignore[misc]


def test_an_empty_variable_counts_as_not_set() -> None:
    assert load(Sample, {"X_WEIGHTS": "/w", "X_PORT": "", "X_THREADS": " "}, "X_").port == 50099


def test_a_home_directory_is_understood() -> None:
    assert load(Sample, {"X_WEIGHTS": "~/w"}, "X_").weights == Path.home() / "w"


def test_all_problems_are_told_together_in_one_sentence_each() -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            Sample,
            {
                "X_PORT": "70000",
                "X_PRECISION": "fp8",
                "X_STRICT": "maybe",
                "X_THREADS": "0",
                "X_SHARE": "nan",
                "X_HOTS": "0.0.0.0",
            },
            "X_",
        )
    assert caught.value.problems == (
        "X_PORT must be a whole number from 0 to 65535, not '70000'.",
        "X_WEIGHTS is not set; it must be a path.",
        "X_PRECISION must be one of fp32, int8, not 'fp8'.",
        "X_STRICT must be true or false, not 'maybe'.",
        "X_THREADS must be a whole number from 1 to 64, not '0'.",
        "X_SHARE must be a number at most 1, not 'nan'.",
        "X_HOTS is not a setting; did you mean X_HOST?",
    )
    assert str(caught.value).count("\n") == 6


def test_settings_that_contradict_each_other_are_a_problem() -> None:
    with pytest.raises(ConfigError, match="runs fp32 only"):
        load(Sample, {"X_WEIGHTS": "/w", "X_PROVIDER": "cuda"}, "X_")


def test_a_variable_of_another_program_is_left_alone() -> None:
    assert load(Sample, {"X_WEIGHTS": "/w", "X_SOMETHING_ELSE": "1"}, "X_").strict is False


@given(st.text(min_size=1))
def test_a_secret_shows_nowhere(text: str) -> None:
    config = Sample(weights=Path("/w"), token=Secret("§" + text))
    assert "§" not in repr(config) + str(config) + f"{config.token}"
    assert config.token.reveal() == "§" + text


def test_secrets_compare_by_what_they_hide() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1


def test_an_unknown_users_home_is_a_problem() -> None:
    with pytest.raises(ConfigError, match="X_WEIGHTS must be a path, not '~nobody-here/w'"):
        load(Sample, {"X_WEIGHTS": "~nobody-here/w"}, "X_")


@given(st.text(max_size=20) | st.integers().map(str) | st.just("9" * 400))
def test_no_text_breaks_the_reader(text: str) -> None:
    names = [setting.name for setting in describe(Sample, "X_")]
    with contextlib.suppress(ConfigError):
        load(Sample, dict.fromkeys(names, text), "X_")


def test_every_setting_can_be_described() -> None:
    found = {setting.name: setting for setting in describe(Sample, "X_")}
    assert found["X_PORT"] == Setting(
        "X_PORT", "a whole number from 0 to 65535", "50099", "Port of the sample."
    )
    assert found["X_WEIGHTS"].default is None
    assert found["X_WEIGHTS"].help == "Where the weights are, as a file."
    assert found["X_HOST"].help.startswith("Address to listen on for gRPC.")
    assert found["X_METRICS_PORT"].help.startswith("Port of Prometheus'")
    assert found["SAMPLE_CACHE"].default == "/tmp/c"
    assert found["X_TOKEN"].default == "***"
    assert found["X_PRECISION"].default == "int8"
    assert found["X_STRICT"].default == "false"
    assert found["X_THREADS"].default == ""
    assert found["X_PEERS"] == Setting("X_PEERS", "a list separated by commas", "", "")


def test_every_setting_of_the_base_is_documented() -> None:
    assert all(setting.help for setting in describe(ServerConfig))
