"""A page that needs nothing else."""

import base64
import re
from pathlib import Path

from reverie.show.web_page import WebPage


def test_words_are_shown_as_they_are_and_files_are_inside(tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x1a\npicture"  # by its first bytes
    (tmp_path / "a.png").write_bytes(picture)
    (tmp_path / "a.mp4").write_bytes(b"film")
    page = WebPage("<b>runs/x & y</b>")
    page.heading("1 < 2")
    page.paragraph('a "quoted" <script>, and `reverie <run>`', "quiet")
    page.steps(["one", "two <"])
    page.table([("track", "return"), ("<7>", "12")])
    page.picture(tmp_path / "a.png", 'what is "seen"')
    page.film(tmp_path / "a.mp4", "what moves")
    page.code("reverie watch <run>")
    page.save(tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    assert "<script" not in html
    assert "<h1>&lt;b&gt;runs/x &amp; y&lt;/b&gt;</h1>" in html
    assert "<tr><th>track</th><th>return</th></tr><tr><td>&lt;7&gt;</td><td>12</td></tr>" in html
    assert "and <code>reverie &lt;run&gt;</code></p>" in html
    assert "<li>two &lt;</li>" in html
    found = dict(re.findall(r'src="data:(\w+)/\w+;base64,([^"]*)"', html))
    assert {kind: base64.b64decode(data) for kind, data in found.items()} == {"image": picture, "video": b"film"}
    assert not re.search(r'(src|href)="(?!data:)', html)  # nothing is asked for
    assert "default-src 'none'" in html
