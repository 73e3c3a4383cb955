"""One HTML file that needs nothing else: words, tables, pictures and films, which opens from the disk."""

import base64
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from reverie.errors import UserError
from reverie.reading import read_bytes
from reverie.writing import write_text

MAX_PICTURE = 2**26
"""Bytes of a PNG."""

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2026; --quiet: #5b626d; --paper: #fff; --line: #d9dde3; --accent: #c2410c }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8eaed; --quiet: #a2a9b4; --paper: #16191d; --line: #363c45; --accent: #f59e6b }
}
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem; background: var(--paper); color: var(--ink);
  font: 17px/1.55 system-ui, sans-serif }
h1 { font-size: 1.9rem; margin: 0 0 .3rem } h2 { font-size: 1.35rem; margin: 2.4rem 0 .4rem }
p, li { max-width: 44rem } .quiet, figcaption { color: var(--quiet); font-size: .92rem }
.score { font-size: 2.6rem; font-weight: 700; color: var(--accent); margin: .6rem 0 0 }
figure { margin: 1.2rem 0 } figcaption { max-width: 44rem; margin-top: .4rem }
img, video { display: block; max-width: 100%; height: auto; border-radius: 6px; background: #fff }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } th { text-align: left; font-weight: 600 }
td, th { padding: .3rem 1.1rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
pre { background: color-mix(in srgb, var(--line) 45%, transparent); padding: .8rem 1rem; border-radius: 6px;
  overflow-x: auto; font-size: .9rem }
"""


class WebPage:
    """A page that is put together from above to below; what is given as words is shown as it is, never as HTML,
    but for `code`, which stands in backticks."""

    def __init__(self, title: str) -> None:
        self.title = title
        self._parts: list[str] = []

    def heading(self, text: str) -> None:
        """Begins a section."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def paragraph(self, text: str, kind: str = "") -> None:
        """Words; their `kind` is a class of the style: `quiet`, `score`."""
        said = f' class="{escape(kind)}"' if kind else ""
        self._parts.append(f"<p{said}>{_words(text)}</p>")

    def steps(self, texts: Sequence[str]) -> None:
        """Sentences, one below the other."""
        self._parts.append(f"<ol>{''.join(f'<li>{_words(text)}</li>' for text in texts)}</ol>")

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Cells; the first row is the header."""
        head, *body = (
            "".join(f"<{cell}>{escape(text)}</{cell}>" for text in row)
            for cell, row in zip(["th", *["td"] * len(rows)], rows, strict=False)
        )
        lines = "".join(f"<tr>{row}</tr>" for row in body)
        self._parts.append(f'<div class="wide"><table><tr>{head}</tr>{lines}</table></div>')

    def picture(self, path: Path, words: str) -> None:
        """A PNG with what there is to see in it. Raises UserError where it is none: the page is handed on, and the file
        may be a link to anything."""
        source = f"data:image/png;base64,{_base64(_png(path))}"
        self._figure(f'<img alt="{escape(words)}" src="{source}">', words)

    def film(self, path: Path, words: str) -> None:
        """An MP4 with what there is to see in it."""
        source = f"data:video/mp4;base64,{_base64(path.read_bytes())}"
        self._figure(f'<video controls loop muted playsinline preload="auto" src="{source}"></video>', words)

    def code(self, text: str) -> None:
        """What is to be typed, or quoted."""
        self._parts.append(f"<pre>{escape(text)}</pre>")

    def save(self, path: Path) -> None:
        """Writes the file, atomically."""
        write_text(path, self.html())

    def html(self) -> str:
        """The whole file. Its policy forbids it to ask for anything."""
        policy = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
        return (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<link rel="icon" href="data:,">\n'
            f"<title>{escape(self.title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
            f"<h1>{escape(self.title)}</h1>\n" + "\n".join(self._parts) + "\n</body>\n</html>\n"
        )

    def _figure(self, content: str, words: str) -> None:
        self._parts.append(f"<figure>{content}<figcaption>{_words(words)}</figcaption></figure>")


def _words(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _png(path: Path) -> bytes:
    data = read_bytes(path, MAX_PICTURE)
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise UserError(f"{path} is no picture: remove it, or restore it from a copy")
    return data


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
