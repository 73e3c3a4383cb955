"""The command `reverie`: finds the verb, hands over the rest, and turns what a user can mend into one line."""

import importlib
import io
import sys
from collections.abc import Sequence

from reverie import __version__
from reverie.cli.interrupt import INTERRUPTED, Interruption
from reverie.errors import UserError
from reverie.notes import forget_notes, say, warn

VERBS = {
    "train": "the whole pipeline, from nothing to a driving agent; continues a run that was cut",
    "collect": "stage 1: drive, at random and by an agent, and keep the episodes",
    "vision": "stage 2: train V, the autoencoder that sees",
    "encode": "stage 3: turn every frame into a latent",
    "memory": "stage 4: train M, which predicts what comes next",
    "controller": "stage 5: evolve C, which drives",
    "evaluate": "score an agent on held-out tracks",
    "watch": "see an agent drive: a video, or a window",
    "play": "drive yourself, in a window or a browser: on the real road, in the dream, and from one to the other",
    "dream": "see a dream beside the real drive, and how true dreams are",
    "report": "a run as one page, to read and to hand on",
    "inspect": "see what V has learned: latents, edits, samples",
    "compare": "several runs side by side: pictures, edits, dreams and scores",
    "fork": "a new run from what another has finished: same data, other V, and so on",
    "recipes": "list the recipes, what they cost and what they scored",
    "settings": "list what can be set, and what it means",
    "info": "say what a run holds",
    "pack": "an agent as one file, to hand on",
    "export": "a run for others: a page for a browser, ONNX, its episodes for Minari",
    "bench": "measure speed against the alternatives",
}
"""Verb -> what it does; each is the function `main` of the module of its name, but for those that are a mere stage."""
_MODULES: dict[str, str] = dict.fromkeys(("vision", "encode", "memory", "controller"), "reverie.cli.stage")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code: 0 done, 1 could not, 2 was asked wrongly, 130 interrupted.

    Without `arguments` it reads those of the process, which it then takes for its own: Ctrl-C ends it.
    """
    owned = arguments is None
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that lacks a letter shows another
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if not arguments or arguments[0] in ("-h", "--help"):
        say(_help())
        return 0 if arguments else 2
    if arguments[0] == "--version":
        say(f"reverie {__version__}")
        return 0
    verb, *rest = arguments
    forget_notes()
    interruption = Interruption(f"reverie {verb}: interrupted, ending; run the same command again to continue")
    if owned:
        interruption.watch()
    try:
        if verb not in VERBS:
            raise UserError(f"there is no verb {verb!r}: choose from {', '.join(VERBS)}", usage=True)
        importlib.import_module(_MODULES.get(verb, f"reverie.cli.{verb}")).main(verb, rest)
    except BaseException as error:
        if interruption.came:  # and was said: what follows from it is no news
            interruption.end()
        return _said(error, verb, interruption)
    if interruption.came:
        interruption.end()
    return 0


def _said(error: BaseException, verb: str, interruption: Interruption) -> int:
    """Says in one line what a user can mend; returns the exit code. Raises the rest again."""
    if isinstance(error, UserError):
        warn(f"reverie {verb}: {error}" if verb in VERBS else f"reverie: {error}")
        return 2 if error.usage else 1
    if isinstance(error, KeyboardInterrupt):
        warn(f"\n{interruption.line}")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return 1
    if isinstance(error, OSError):  # those that are likely have words of their own
        warn(f"reverie {verb}: the system refused: {error}")
        return 1
    raise error


def _help() -> str:
    width = max(map(len, VERBS))
    lines = [f"  {verb:<{width}}  {text}" for verb, text in VERBS.items()]
    return "\n".join(
        [
            "usage: reverie VERB [options]",
            "",
            "World models: see the road, learn to dream it, learn to drive, drive for real.",
            "",
            *lines,
            "",
            "`reverie VERB --help` tells the options of a verb.",
            "Start with `reverie train`, or with `reverie watch pretrained`.",
        ]
    )
