"""`reccli plugins`: list without importing, show one, check all."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from reccli.cli.options import JSON
from reccli.cli.output import result_json, result_line
from reccli.errors import PluginError, one_of

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")
KIND = Annotated[str | None, typer.Option("--kind", help="reader, encoder, loss, sampler, objective, metric or aux.")]


@app.command("list")
def list_cli(kind: KIND = None, as_json: JSON = False) -> None:
    """List registered components without importing any.

    Example: reccli plugins list --kind loss
    """
    from reccli import registry

    if kind is not None and kind not in registry.KINDS:
        raise one_of("kind", kind, registry.KINDS)
    found = registry.entries(kind)
    if as_json:
        rows = [{"kind": e.kind, "name": e.name, "package": e.distribution, "version": e.version} for e in found]
        result_json({"components": rows})
        return
    for entry in found:
        result_line(f"{entry.kind:<10} {registry.address(entry):<20} {entry.distribution} {entry.version}")


@app.command("show")
def show_cli(kind: str, name: str, as_json: JSON = False) -> None:
    """Show what a component does, what it needs and what can be set.

    Example: reccli plugins show loss infonce
    """
    from reccli import registry
    from reccli.api.search import spaces_of

    if kind not in registry.KINDS:
        raise one_of("kind", kind, registry.KINDS)
    entry, component = registry.find(kind, name), registry.load(kind, name)
    spaces = spaces_of(component.Settings)
    fields = [
        {
            "name": field,
            "default": info.get_default(call_default_factory=True),
            "help": _flat(info.description),
            "search": str(spaces[field]) if field in spaces else None,
        }
        for field, info in component.Settings.model_fields.items()
    ]
    needs = sorted(component.needs) + ([f"views of the {component.views}"] if kind == "aux" else [])
    body: dict[str, Any] = {
        "kind": kind,
        "name": entry.name,
        "package": f"{entry.distribution} {entry.version}",
        "needs": needs,
        "settings": fields,
        "doc": inspect.getdoc(component) or "",
    }
    if as_json:
        result_json(body)
        return
    result_line(f"{kind} {entry.name}  ({body['package']}, {entry.value})")
    result_line(f"needs: {', '.join(body['needs']) or 'nothing special'}")
    if kind == "aux":
        result_line(f"default weight: {component.default_weight:g}")
    result_line("")
    for line in body["doc"].splitlines():
        result_line(line)
    for field in fields:
        searched = f"  (tune: {field['search']})" if field["search"] else ""
        result_line(f"  --set {kind}.{field['name']}={field['default']}  {field['help']}{searched}")


@app.command("check")
def check_cli(as_json: JSON = False) -> None:
    """Import every component and say which are broken; exits 8 if any is.

    Example: reccli plugins check
    """
    from reccli import registry

    rows = []
    for entry in registry.entries():
        problem = ""
        try:
            registry.load(entry.kind, f"{entry.distribution}:{entry.name}")
        except PluginError as error:
            problem = error.message
        rows.append({"kind": entry.kind, "name": entry.name, "package": entry.distribution, "problem": problem})
    broken = [row for row in rows if row["problem"]]
    if as_json:
        result_json({"components": rows})
    else:
        for row in broken:
            result_line(f"broken  {row['kind']} {row['name']}: {row['problem']}")
        for entry in registry.entries():
            if (found_by := registry.address(entry)) != entry.name:
                result_line(f"{entry.kind} '{entry.name}' of {entry.distribution} is found as {found_by}")
        result_line(f"{len(rows) - len(broken)} of {len(rows)} components load")
    if broken:
        first = broken[0]
        raise PluginError(f"{len(broken)} broken, first: {first['problem']}", hint=f"pip uninstall {first['package']}")


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())
