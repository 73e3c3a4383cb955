"""`reverie export`: a run for others. Each kind is a module `export_KIND`, whose `main` is given the rest."""

import importlib
from collections.abc import Sequence

from reverie.errors import UserError
from reverie.notes import say

KINDS = {
    "web": "a page that opens from the disk: the dream, and the road beside it",
    "onnx": "V, M and C as ONNX files, with a card in JSON",
    "minari": "the episodes it collected, as a dataset of Minari",
}
"""Kind -> what it is."""


def main(verb: str, arguments: Sequence[str]) -> None:
    """Hands over to the kind that is asked for. Raises UserError where there is none."""
    if arguments and arguments[0] in ("-h", "--help"):
        say(_help(verb))
        return
    kind, *rest = arguments or ("",)
    if kind not in KINDS:
        raise UserError(f"what to export? Choose from {', '.join(KINDS)}; see `reverie {verb} --help`", usage=True)
    importlib.import_module(f"reverie.cli.export_{kind}").main(f"{verb} {kind}", rest)


def _help(verb: str) -> str:
    width = max(map(len, KINDS))
    lines = [f"  {kind:<{width}}  {text}" for kind, text in KINDS.items()]
    head = [f"usage: reverie {verb} KIND RUN [options]", "", "A run for others.", ""]
    return "\n".join(
        [*head, *lines, "", f"`reverie {verb} KIND --help` tells the options of a kind and their defaults."]
    )
