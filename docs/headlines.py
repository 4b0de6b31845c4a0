"""The README's short table of results, taken from the long ones in docs/results."""

import re
from dataclasses import dataclass

OURS = "ecg-stream"


def blocks(pages: str) -> dict[str, str]:
    """Return the generated blocks by name."""
    found = re.findall(r"<!-- begin (\S+) -->\n(.*?)<!-- end \1 -->", pages, flags=re.DOTALL)
    return dict(found)


@dataclass(frozen=True)
class Section:
    """One printed table: the names of its columns and its rows by their first column."""

    header: tuple[str, ...]
    rows: dict[str, tuple[str, ...]]

    def cell(self, row: str, column: str) -> str:
        """Return one cell as printed, without the interval in brackets behind it."""
        return self.rows[row][self.header.index(column)].split(" (")[0]

    def best(self, column: str, without: str = OURS) -> tuple[str, str]:
        """Return the largest value of a column, and whose it is, one row left out."""
        others = [row for row in self.rows if row != without]
        first = max(others, key=lambda row: float(self.cell(row, column)))
        return self.cell(first, column), first


def section(body: str, title: str) -> Section:
    """Read the section that begins with `title`; columns stand two or more spaces apart."""
    start = re.search(rf"^{re.escape(title)}", body, flags=re.MULTILINE)
    if start is None:
        raise ValueError(f"no section begins with {title!r}")
    _, head, *rest = body[start.start() :].split("\n\n", maxsplit=1)[0].splitlines()
    rows = [tuple(re.split(r"\s{2,}", line.strip())) for line in rest if not line.startswith("`")]
    return Section(
        header=tuple(re.split(r"\s{2,}", head.strip())), rows={row[0]: row for row in rows}
    )


def headlines(pages: str) -> str:
    """Return the short table as Markdown; each line names the page that it comes from."""
    body = blocks(pages)
    lines = [
        ("", OURS, "beside it", "all of it"),
        ("---", "---", "---", "---"),
        *((*line, _link("detection")) for line in _detection(body)),
        *((*line, _link("labels")) for line in _labels(body["classification"])),
        *((*line, _link("rhythm")) for line in _rhythm(body["rhythm"])),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _link(page: str) -> str:
    return f"[{page}](docs/results/{page}.md)"


def _detection(body: dict[str, str]) -> list[tuple[str, str, str]]:
    near = section(body["detection"], "QRS detection, from 0:00, within 150 ms")
    nearer = section(body["detection"], "QRS detection, from 0:00, within 50 ms")
    noise = section(body["noise"], "F1 in noise, all records")
    other = section(body["svdb"], "QRS detection, from 0:00, within 150 ms")
    noise_of_detectors = Section(
        noise.header, {row: cells for row, cells in noise.rows.items() if row != "beats"}
    )
    return [
        ("QRS detection, MIT-BIH, 48 records, F1 within 150 ms, %", *_both(near, "F1")),
        ("the same within 50 ms", *_both(nearer, "F1")),
        (
            "the same in electrode motion at 6 dB (records 118, 119)",
            *_both(noise_of_detectors, "6 dB"),
        ),
        ("QRS detection, `svdb`, 39 records, F1, %", other.cell(OURS, "F1"), ""),
    ]


def _both(table: Section, column: str) -> tuple[str, str]:
    value, name = table.best(column)
    return table.cell(OURS, column), f"best of {len(table.rows) - 1} others: {value} ({name})"


def _labels(body: str) -> list[tuple[str, str, str]]:
    systems = section(body, "Beside other systems")
    delay = section(body, "Decision delay")
    ours = f"{OURS}, confirmed"
    osea, live = "OSEA, C (Hamilton 2002)", "live_ecg, Rust (MITDB and SVDB)"
    return [
        (
            "V beats of patients not trained on (DS2), F1, %",
            systems.cell(ours, "V F1"),
            f"{osea}: {systems.cell(osea, 'V F1')}",
        ),
        ("S beats, likewise", systems.cell(ours, "S F1"), f"{live}: {systems.cell(live, 'S F1')}"),
        (
            "First label known after the R peak, ms: median, 99 %",
            f"{delay.cell('provisional', 'median')}, {delay.cell('provisional', 'p99')}",
            "",
        ),
    ]


def _rhythm(body: str) -> list[tuple[str, str, str]]:
    episodes = section(body, "Episodes, %, all records")
    alarms = section(body, "Alarms")
    runs, af = episodes.rows["V runs"], episodes.rows["AF"]
    return [
        ("V runs of 3 or more, Se / +P, %", f"{runs[3]} / {runs[4]}", ""),
        ("Atrial fibrillation by duration, Se / +P, %", f"{af[5]} / {af[6]}", ""),
        ("False asystole alarms in 24 h", alarms.cell("asystole", "False"), ""),
    ]
