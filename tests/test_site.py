"""docs/ as a site: every page has its place in the menu, links lead somewhere, and nothing is asked of others."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from site_build import settings_page
from site_build.settings_page import on_page_markdown

import reverie
from reverie.cli.main import VERBS
from reverie.models.files import SHIPPED
from reverie.run.reference import all_settings
from tests.pages import commands
from tests.processes import python

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
CONFIG = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
PAGES = sorted(DOCS.rglob("*.md"))


def menu(config: str) -> dict[str, list[str]]:
    """The pages of each part of the menu, in order."""
    found, part = dict[str, list[str]](), ""
    for line in config.partition("\nnav:\n")[2].splitlines():
        if title := re.match(r"  - (.+?):(?: (\S+))?$", line):
            part = title[1]
            found[part] = [title[2]] if title[2] else []
        elif page := re.match(r"      - (\S+)$", line):
            found[part].append(page[1])
    return found


def anchors(text: str) -> set[str]:
    """What headings are called in an address."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def broken(page: Path) -> Iterator[str]:
    """Links of a page that lead nowhere, or out of docs/, which is all that the site has."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://|mailto:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page.resolve()
        is_there = target.is_file() and target.is_relative_to(page_root(page))
        if not is_there or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            yield link


def page_root(page: Path) -> Path:
    """The folder docs/ that it lies in."""
    return next((folder for folder in page.resolve().parents if folder.name == "docs"), page.resolve().parent)


def test_every_page_stands_in_the_menu_once() -> None:
    listed = [page for pages in menu(CONFIG).values() for page in pages]
    assert sorted(listed) == [page.relative_to(DOCS).as_posix() for page in PAGES]
    assert list(menu(CONFIG)) == ["Start", "Course", "How-to", "Reproduction", "Reference", "Notebook"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(DOCS).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert not list(broken(page))


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    page = tmp_path / "docs" / "page.md"
    (tmp_path / "beside.md").write_text("# Beside\n")
    page.write_text(
        "# A page: of mine\n[a](#a-page-of-mine) [b](#none) [c](none.md) [d](../beside.md) [e](https://x.y)\n"
    )
    assert list(broken(page)) == ["#none", "none.md", "../beside.md"]


def test_pages_ask_nobody_for_fonts() -> None:
    assert "\n  font: false\n" in CONFIG
    assert "extra_javascript" not in CONFIG
    assert "extra_css" not in CONFIG


def test_the_curve_is_the_one_of_the_agent_that_ships() -> None:
    shipped = ROOT / "src/reverie/shipped/pretrained/pictures/learning_curve.png"
    assert (DOCS / "pictures/learning_curve.png").read_bytes() == shipped.read_bytes()


def test_every_setting_is_on_its_page() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf-8")
    text = on_page_markdown(page)
    assert settings_page.MARK in page
    assert settings_page.MARK not in text
    assert "## controller.search.tracks\n" in text
    assert "**`collect.episodes`** = `200`, *integer, 2 to 1,000,000*<br>\nEpisodes to collect;" in text
    for setting in all_settings():
        assert text.count(f"**`{setting.key}`**") == 1
        assert setting.meaning in text
    assert on_page_markdown("another page") == "another page"


def test_all_that_a_program_may_use_is_in_the_api() -> None:
    named = re.findall(r"^::: (\S+)$", (DOCS / "api.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert {f"reverie.{name}" for name in reverie.__all__} <= set(named)
    for path in named:
        module, _, name = path.rpartition(".")
        assert getattr(importlib.import_module(module), name).__doc__, path


def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="needs `pip install -e '.[docs]'`, as `make test` does")
    words = ("-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site")
    python(*words, cwd=ROOT, NO_MKDOCS_2_WARNING="1")
    api = (tmp_path / "site/api.html").read_text(encoding="utf-8")
    assert "Scores the agent on test tracks" in api
    assert '<span class="gp">&gt;&gt;&gt; </span>' in api  # examples are code
    assert "<blockquote>" not in api
    assert "stall_decisions" in (tmp_path / "site/settings.html").read_text(encoding="utf-8")
    for page in (tmp_path / "site").rglob("*.html"):
        for address in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)', page.read_text("utf-8")):
            raise AssertionError(f"{page.name} asks for {address}")


def test_what_the_first_page_says_to_type_is_there() -> None:
    found = commands((DOCS / "index.md").read_text(encoding="utf-8"))
    assert len(found) >= 4
    for name, verb, *rest in found:
        assert name == "reverie"
        assert verb in VERBS
        assert set(rest) <= set(SHIPPED)
