"""`lookalike model`: list, build, compare, switch, rollback, drop."""

import json
from pathlib import Path
from typing import Any, Final

import click

from lookalike_client import spaces
from lookalike_client.cli import terminal
from lookalike_client.cli.render import table_of
from lookalike_client.cli.session import Session, common_options
from lookalike_client.spaces import BuildState

_SHOWN_FAILURES: Final = 10


@click.group()
def model() -> None:
    """Change the model that searches are answered with.

    Build its space beside the one that serves, compare, switch; and go back if need be.
    """


@model.command("list")
@common_options
def list_models(session: Session) -> int:
    """Show the models, and which of them have a space in the index."""
    with session.connect() as client:
        found = client.spaces.list()
    if session.as_json:
        terminal.emit({"models": [one.to_dict() for one in found]})
        return 0
    rows = [
        (
            one.model or "(not in the registry)",
            one.role.value,
            one.embedding_version,
            one.dimension,
            one.product_count if one.role else "",
            one.lacking_count if one.role else "",
            "loaded" if one.loaded else "installed" if one.installed else one.problem,
        )
        for one in found
    ]
    table_of(("model", "role", "space", "numbers", "products", "lacking", "state"), rows)
    return 0


@model.command()
@click.argument("name", metavar="MODEL")
@common_options
def build(session: Session, name: str) -> int:
    """Build a model's space beside the one that serves, and show how far it is.

    May be broken off and started again at any time. The exit status is 3 if some products could
    not be embedded.
    """
    with session.connect() as client:
        last: spaces.BuildProgress | None = None
        for last in client.spaces.build(name):
            if not session.as_json:
                terminal.say(_line(last))
    assert last is not None  # it ends with a state that is not `running`
    if session.as_json:
        terminal.emit(last.to_dict())
    else:
        for failure in last.failures[:_SHOWN_FAILURES]:
            terminal.say(f"failed: {failure.product_id}: {failure.reason}: {failure.message}")
    if last.state is BuildState.BROKEN:
        return 1
    return 0 if last.state is BuildState.COMPLETE else 3


@model.command()
@click.argument("name", metavar="MODEL")
@click.option("--force", is_flag=True, help="Also if products would be found no more.")
@common_options
def switch(session: Session, name: str, force: bool) -> int:
    """Answer searches in a model's space from now on; the other is kept."""
    with session.connect() as client:
        _show(session, client.spaces.switch(name, force=force))
    return 0


@model.command()
@click.option("--force", is_flag=True, help="Also if products would be found no more.")
@common_options
def rollback(session: Session, force: bool) -> int:
    """Go back to the space that was active before the last switch."""
    with session.connect() as client:
        _show(session, client.spaces.rollback(force=force))
    return 0


@model.command()
@click.argument("name", metavar="MODEL")
@common_options
def drop(session: Session, name: str) -> int:
    """Forget a space that is not active; MODEL may also be the space's own name."""
    with session.connect() as client:
        version = client.spaces.drop(name)
    if session.as_json:
        terminal.emit({"dropped": version})
    else:
        terminal.say(f"{version} is dropped.")
    return 0


@model.command()
@click.argument("name", metavar="MODEL", required=False)
@click.option(
    "--sample",
    default=100,
    show_default=True,
    type=click.IntRange(0, 1_000),
    help="Products that stand as questions.",
)
@click.option(
    "--queries",
    type=click.Path(exists=True, dir_okay=False),
    help="Words that stand as questions, one on each line.",
)
@click.option(
    "-k", default=10, show_default=True, type=click.IntRange(1, 100), help="Results compared."
)
@click.option("--eval-old", type=click.Path(exists=True), help="The old model's eval.json.")
@click.option("--eval-new", type=click.Path(exists=True), help="The new model's eval.json.")
@common_options
def compare(
    session: Session,
    name: str | None,
    sample: int,
    queries: str | None,
    k: int,
    eval_old: str | None,
    eval_new: str | None,
) -> int:
    """Tell how much the two spaces agree, and how two measurements of `make eval` differ."""
    if (eval_old is None) != (eval_new is None):
        raise click.UsageError("--eval-old and --eval-new are given together.")
    measured = _measured(eval_old, eval_new) if eval_old and eval_new else []
    texts: list[str] = []
    if queries is not None:
        lines = Path(queries).read_text(encoding="utf-8").splitlines()
        texts = [line.strip() for line in lines if line.strip()]
    with session.connect() as client:
        if name is not None:
            _check_other(name, client.spaces.list())
        found = client.spaces.compare(sample_size=sample, texts=texts, k=k)
    if session.as_json:
        terminal.emit({**found.to_dict(), "k": k, "eval": measured})
        return 0
    terminal.say(f"{found.active_embedding_version} and {found.other_embedding_version}:")
    rows = [
        (kind, one.question_count, f"{one.overlap_at_k:.3f}", f"{one.same_best:.3f}")
        for kind, one in (("products", found.products), ("words", found.texts))
        if one.question_count
    ]
    table_of(("questions", "number", f"overlap@{k}", "same best"), rows)
    for kind, one in (("product", found.products), ("words", found.texts)):
        for least in one.least[:3]:
            terminal.say(f"least alike: {kind} {least.question}: {least.overlap_at_k:.2f}")
    if measured:
        columns = ("protocol", "setting", "scope", "figure", "old", "new", "difference")
        table_of(columns, [_row(one) for one in measured])
    return 0


def _line(progress: spaces.BuildProgress) -> str:
    share = progress.done_count / progress.total_count if progress.total_count else 1.0
    line = f"{progress.state}: {progress.done_count} of {progress.total_count} ({share:.1%})"
    if progress.failed_count:
        line += f", {progress.failed_count} failed"
    if progress.state is BuildState.RUNNING:
        line += f", {progress.images_per_second:.1f} photographs/s"
        if progress.remaining_seconds is not None:
            line += f", {progress.remaining_seconds / 60:.1f} min left"
    return f"{line}: {progress.problem}" if progress.problem else line


def _show(session: Session, done: spaces.Switched) -> None:
    if session.as_json:
        terminal.emit(done.to_dict())
        return
    if not done.previous_embedding_version:
        terminal.say(f"{done.embedding_version} was active already.")
        return
    terminal.say(
        f"Searches are answered in {done.embedding_version} now; "
        f"{done.previous_embedding_version} is kept."
    )
    if done.caught_up_count:
        terminal.say(f"{done.caught_up_count} products were brought into it first.")


def _check_other(name: str, models: tuple[spaces.Model, ...]) -> None:
    others = [one for one in models if one.role not in ("", spaces.ModelRole.ACTIVE)]
    if not any(name in (one.model, one.embedding_version) for one in others):
        raise click.UsageError(f"{name} has no space beside the active one; build it first.")


def _measured(old: str, new: str) -> list[dict[str, Any]]:
    """The figures that two measurements share."""
    before, after = _figures(old), _figures(new)
    return [
        {
            **dict(zip(("protocol", "setting", "scope", "figure"), place, strict=True)),
            "old": before[place],
            "new": value,
            "difference": value - before[place],
        }
        for place, value in after.items()
        if place in before
    ]


def _figures(given: str) -> dict[tuple[str, str, str, str], float]:
    path = Path(given) / "eval.json" if Path(given).is_dir() else Path(given)
    try:
        protocols = json.loads(path.read_text())["protocols"]
        return {
            (protocol, setting, scope, figure): float(found["value"])
            for protocol, settings in protocols.items()
            for setting, scopes in settings.items()
            for scope, figures in scopes.items()
            for figure, found in figures.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise click.BadParameter(f"{path} is no measurement of `make eval`.") from error


def _row(one: dict[str, Any]) -> tuple[object, ...]:
    places = (one["protocol"], one["setting"], one["scope"], one["figure"])
    return (*places, f"{one['old']:.4f}", f"{one['new']:.4f}", f"{one['difference']:+.4f}")
