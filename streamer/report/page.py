"""A report as one HTML file that needs nothing from the network."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.core.errors import writing
from streamer.report.table import Table

STYLE: Final = """
:root { --ink: #1b2733; --soft: #5b6b7b; --line: #dde4ea; --paper: #ffffff; --back: #f4f6f8;
  --own: #0b6e6e; --missed: #c2410c; --false: #7c3aed; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
header { background: #10222e; color: #eef4f7;
  padding: 2.2rem max(1.5rem, calc(50vw - 34.5rem)) 2rem; }
header h1 { margin: 0 0 .6rem; font-size: 1.7rem; font-weight: 650; }
header p { margin: .15rem 0; color: #b9c9d3; max-width: 62rem; }
main { max-width: 72rem; margin: 0 auto; padding: 1rem 1.5rem 4rem; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.1rem 1.4rem 1.4rem; margin-top: 1.2rem; overflow-x: auto; }
h2 { font-size: 1.15rem; margin: .1rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p { margin: .3rem 0 .7rem; color: var(--soft); max-width: 62rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(10rem, 1fr)); gap: .8rem;
  margin-top: 1.2rem; }
.tile { background: var(--paper); border: 1px solid var(--line); border-radius: 10px;
  padding: .8rem 1rem; }
.tile b { display: block; font-size: 1.55rem; font-weight: 650; color: var(--own);
  font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .85rem; }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums;
  margin: .3rem 0 1.2rem; }
caption { text-align: left; font-weight: 600; padding: .3rem 0; color: var(--ink);
  white-space: nowrap; }
th, td { padding: .22rem .75rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; }
th:first-child, td:first-child { text-align: left; }
tbody tr:hover { background: #f0f6f6; }
tr.own td { font-weight: 650; color: var(--own); }
tr.summary td { font-weight: 650; border-top: 2px solid var(--line); }
svg { max-width: 100%; height: auto; display: block; }
svg text { font-family: inherit; }
details summary { cursor: pointer; font-weight: 600; }
.particulars th { text-align: left; }
.particulars td { text-align: left; min-width: 14rem; white-space: normal; }
.conclusion { border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem;
  flex: 1 1 22rem; min-height: 9rem; margin: .3rem 0 1.2rem; }
.conclusion div { white-space: pre-wrap; min-height: 6rem; }
p.caution { color: var(--missed); }
.strip { margin: .5rem 0 .9rem; }
nav { margin-top: 1.2rem; line-height: 2; }
nav a { margin-right: 1.2rem; white-space: nowrap; }
a { color: var(--own); }
.index td { white-space: normal; text-align: left; }
.index td:not(:last-child) { white-space: nowrap; }
.index th { text-align: left; }
.beside { display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
.beside th, .beside td { padding: .22rem .55rem; }
footer { color: var(--soft); font-size: .85rem; text-align: center; padding-bottom: 2rem; }
@media (max-width: 40rem) {
  main { padding: .5rem .5rem 2rem; }
  section { padding: .8rem .8rem 1rem; }
  section svg { max-width: none; }
  section > svg { width: 46rem; }
  th, td { padding: .22rem .45rem; }
}
@page { size: A4 landscape; margin: 10mm; }
@media print {
  body, header { background: none; color: var(--ink); }
  header { padding: 0; }
  header p { color: var(--soft); }
  main { max-width: none; padding: 0; }
  section { border: 0; padding: .5rem 0; margin: 0; overflow: visible; }
  section > svg, .strip, .tile, table { break-inside: avoid; }
  h2, h3, section > p { break-inside: avoid; break-after: avoid; }
  .strip svg { max-width: none; }
  .strip { margin: .2rem 0 .4rem; }
  .strip h3 { display: none; } /* The strip has it below the signal. */
  /* What is wider than the page shrinks all of it, and with it the strips' scale. */
  table { font-size: .74rem; }
  th, td, .beside th, .beside td { padding: .16rem .4rem; }
  .index td:not(:first-child) { white-space: normal; }
  section > table { max-width: 100%; }
  table + p, p.caution { break-before: avoid; }
  tr { break-inside: avoid; }
  details:not([open]) summary::after { content: ", not printed: open it on the page first";
    color: var(--soft); font-weight: 400; }
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page: a heading, and markup below it."""

    title: str
    body: str


def paragraph(text: str) -> str:
    """Mark up a paragraph."""
    return f"<p>{html.escape(text)}</p>"


def caution(text: str) -> str:
    """Mark up why a number can't be relied on."""
    return f'<p class="caution">Caution: {html.escape(text)}</p>'


def heading(text: str) -> str:
    """Mark up a heading within a section."""
    return f"<h3>{html.escape(text)}</h3>"


def folded(title: str, body: str) -> str:
    """Mark up something long that opens on a click."""
    return f"<details><summary>{html.escape(title)}</summary>{body}</details>"


def beside(parts: Sequence[str]) -> str:
    """Put parts side by side where there is room."""
    return f'<div class="beside">{"".join(f"<div>{part}</div>" for part in parts)}</div>'


def tiles(values: Sequence[tuple[str, str]]) -> str:
    """Mark up the headline: number and what it is."""
    found = "".join(
        f'<div class="tile"><b>{html.escape(value)}</b><span>{html.escape(what)}</span></div>'
        for value, what in values
    )
    return f'<div class="tiles">{found}</div>'


def table(content: Table, *, own: str = "") -> str:
    """Mark up a table; rows that begin with `own` stand out."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in content.header)
    first_summary = len(content.rows) - content.summary_rows
    rows = []
    for number, row in enumerate(content.rows):
        kind = "summary" if number >= first_summary else "own" if own and row[0] == own else ""
        cells = "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        rows.append(f'<tr class="{kind}">{cells}</tr>' if kind else f"<tr>{cells}</tr>")
    named = f"<thead><tr>{head}</tr></thead>" if any(content.header) else ""
    return (
        f"<table><caption>{html.escape(content.title)}</caption>{named}"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def page(title: str, lines: Sequence[str], top: str, sections: Sequence[Section]) -> str:
    """Put a whole page together."""
    intro = "".join(paragraph(line) for line in lines)
    named = [(section, re.sub(r"\W+", "-", section.title.lower())) for section in sections]
    parts = "".join(
        f'<section id="{name}"><h2>{html.escape(section.title)}</h2>{section.body}</section>'
        for section, name in named
    )
    links = "".join(f'<a href="#{name}">{html.escape(one.title)}</a> ' for one, name in named)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>"
        f"<header><h1>{html.escape(title)}</h1>{intro}</header><main>{top}"
        f'<nav aria-label="Contents">{links}</nav>{parts}</main>'
        "<footer>ecg-stream is no medical device.</footer></body></html>\n"
    )


def write_page(path: Path, content: str) -> None:
    """Write the file.

    Raises
    ------
    OutputError
        If it can't be written.
    """
    with writing(f"the report to {path}"):
        path.write_text(content, encoding="utf-8")
