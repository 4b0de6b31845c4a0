"""README and docs: links lead somewhere, snippets run, commands parse, tables are what they say."""

import contextlib
import io
import os
import re
import shlex
import sys
import tomllib
from pathlib import Path

import pytest

from streamer.commands.cli import build_parser

ROOT = Path(__file__).parents[2]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text()
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
README = PAGES["README.md"]
sys.path.insert(0, str(ROOT / "docs"))

import figures  # noqa: E402
from headlines import blocks, headlines, section  # noqa: E402

MOST_LINES = 200
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", FENCED.sub("", text))


def anchor(heading: str) -> str:
    """Return what a heading is linked by."""
    words = re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower()
    return words.replace(" ", "-")


LINKS = sorted(
    (page, target)
    for page, text in PAGES.items()
    for target in LINK.findall(without_code(text))
    if not re.match(r"https?:|mailto:|doi:", target)
)
SNIPPETS = {
    page: code
    for page, text in PAGES.items()
    if (code := re.findall(r"^```python\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL))
}


def command_lines(text: str) -> set[str]:
    """Return what stands in a line of its own, or between backticks and without placeholders."""
    code = "\n".join(FENCED.findall(text))
    lines = re.findall(r"^(?:\$ )?(?:time )?ecg-stream [a-z].*$", code, flags=re.MULTILINE)
    inline = re.findall(r"`(?:time )?(ecg-stream [a-z][^`]*)`", text)
    return {
        line.split("#")[0].rstrip(" &").removeprefix("$ ").removeprefix("time ") for line in lines
    } | {
        code
        for code in inline
        if " " in code.removeprefix("ecg-stream ") and not re.search(r"\b[A-Z]{2,}\b|\||\[", code)
    }


COMMANDS = sorted(
    {
        (line, page)
        for page, text in PAGES.items()
        for line in command_lines(text)
        if "MODEL_CARD" not in page  # written by `train`, which shortens its own command
    }
)


@pytest.mark.parametrize(("command", "page"), COMMANDS)
def test_commands_can_be_typed(command: str, page: str) -> None:
    arguments = shlex.split(command)[1:]
    if arguments[-1:] == ["--help"]:
        with contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit, match="0"):
            build_parser(arguments[0]).parse_args(arguments)
        return
    build_parser(arguments[0]).parse_args(arguments)


def test_there_are_commands_links_and_snippets() -> None:
    assert len(COMMANDS) > 30
    assert len(LINKS) > 60
    assert {"README.md", "docs/library.md", "docs/architecture.md"} <= set(SNIPPETS)


@pytest.mark.parametrize(("page", "target"), LINKS)
def test_links_lead_somewhere(page: str, target: str) -> None:
    path, _, fragment = target.partition("#")
    found = (ROOT / page).parent / path if path else ROOT / page
    assert found.exists()
    if fragment:
        headings = re.findall(r"^#+ (.*)$", FENCED.sub("", found.read_text()), flags=re.MULTILINE)
        assert fragment in {anchor(heading) for heading in headings}


PATHS = sorted(
    {
        (page, path)
        for page, text in PAGES.items()
        for path in re.findall(r"`((?:streamer|replay|classifier|tests|docs)/[\w/.-]*)`", text)
    }
)


@pytest.mark.parametrize(("page", "path"), PATHS)
def test_files_that_are_named_are_there(page: str, path: str) -> None:
    assert (ROOT / path).exists()


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), ["README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page in PAGES:
            reached.add(page)
            targets = (target.partition("#")[0] for origin, target in LINKS if origin == page)
            waiting += [
                str(((ROOT / page).parent / target).resolve().relative_to(ROOT))
                for target in targets
            ]
    assert reached == set(PAGES)


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= MOST_LINES


@pytest.mark.parametrize("page", SNIPPETS)
def test_snippets_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one page one after the other, as a reader would."""
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "snippets"}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for code in SNIPPETS[page]:
            exec(compile(code, page, "exec"), names)
    assert printed.getvalue() or "print(" not in "".join(SNIPPETS[page])


def test_rooms_stand_in_the_order_of_the_import_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    inside = next(one for one in contracts["contracts"] if one.get("exhaustive"))
    rooms = re.findall(r"^\| \[(\w+)\]\(\.\./", PAGES["docs/architecture.md"], flags=re.MULTILINE)
    assert rooms == ["replay", "classifier", *reversed(inside["layers"])]


def test_the_snippet_of_the_readme_labels_every_beat() -> None:
    """The last beats are known only when the chain is flushed."""
    assert "flush()" in SNIPPETS["README.md"][0]


@pytest.mark.parametrize(
    ("page", "name"), [(page, name) for page, text in PAGES.items() for name in blocks(text)]
)
def test_generated_sections_name_the_command_that_prints_them(page: str, name: str) -> None:
    if name in figures.BLOCKS:
        block = figures.BLOCKS[name]
        assert page == f"docs/results/{block.page}"
        typed = "".join(f"$ {command}\n" for command in block.commands)
        assert blocks(PAGES[page])[name].startswith(f"```text\n{typed}")
    elif name == "options":
        assert "$ ecg-stream replay --help\n" in PAGES[page]
    else:
        assert re.search(r"`(make figures|python docs/figures.py [a-z]+)`", PAGES[page])


def test_every_generated_section_is_there() -> None:
    shown = {name for text in PAGES.values() for name in blocks(text)}
    assert shown == {*figures.BLOCKS, "headlines", "rules", "failures", "options"}


def test_the_short_table_is_that_of_the_long_ones() -> None:
    assert blocks(README)["headlines"] == headlines(figures.pages_of_results())


def test_rules_are_those_of_the_tracker() -> None:
    assert blocks(PAGES["docs/rhythm-rules.md"])["rules"] == figures.rules(), (
        "the rules have changed: run `python docs/figures.py rules`"
    )


def test_failures_are_those_that_the_benchmark_prints() -> None:
    assert blocks(PAGES["docs/faults.md"])["failures"] == figures.failures(), (
        "the table has changed: run `python docs/figures.py failures`"
    )


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="argparse words its help otherwise")
def test_options_are_those_of_the_parsers() -> None:
    before = os.environ.copy()
    assert blocks(PAGES["docs/commands.md"])["options"] == figures.options(), (
        "options have changed: run `python docs/figures.py options`"
    )
    assert os.environ == before, "a terminal's width was left behind for whoever comes next"


def test_a_section_is_read_by_rows_and_columns() -> None:
    text = "Labels, gross, %\nlabel      beats  Se\nours one  10  99.5 (1.0-2.0)\nb  7  1.0\n"
    found = section(text, "Labels")
    assert found.cell("ours one", "Se") == "99.5"
    assert found.best("Se", without="ours one") == ("1.0", "b")
    with pytest.raises(ValueError, match="no section"):
        section(text, "Elsewhere")
