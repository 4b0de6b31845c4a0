"""Regenerate every table and picture of README and docs, by running the commands they name.

    make figures                   # all, about a quarter of an hour
    python docs/figures.py NAME... # some of them: picture, rules, options, detection ...

A block of a page between `<!-- begin NAME -->` and `<!-- end NAME -->` is replaced by what its
command printed; nothing in it is typed by hand. The README's short table is taken from the long
ones after each run.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from headlines import headlines

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
HELP_COLUMNS = 110
"""Width of a terminal on which the options are shown."""
PICTURE_START, PICTURE_STOP = "0:30", "1:31"
PICTURES = {"monitor.svg": (100, 30), "monitor-wide.svg": (160, 50)}
"""Pictures of the monitor and the size of the terminal that each shows."""


@dataclass(frozen=True)
class Block:
    """A block of a page: the commands that make it, and the sections that are shown."""

    page: str
    """File in docs/results."""
    commands: tuple[str, ...]
    sections: tuple[str, ...] = ()
    """First words of the sections to show, in this order; all if empty."""


BLOCKS = {
    "detection": Block(
        page="detection.md",
        commands=("ecg-stream bench detection --peers",),
        sections=(
            "QRS detection, from 0:00, within 150 ms",
            "QRS detection, from 5:00, within 150 ms",
            "QRS detection, from 0:00, within 50 ms",
            "QRS detection, DS2, 22 records, from 0:00, within 150 ms",
            "Timing, ms",
            "DS1 cross-validated",
        ),
    ),
    "svdb": Block(
        page="detection.md",
        commands=("ecg-stream bench detection --database svdb",),
        sections=("QRS detection, from 0:00, within 150 ms",),
    ),
    "noise": Block(
        page="detection.md",
        commands=("ecg-stream bench noise --peers",),
        sections=("Se/+P in noise, record 118", "F1 in noise, all records", "Trading Se for +P"),
    ),
    "robustness": Block(
        page="detection.md",
        commands=("ecg-stream bench robustness --records DS2",),
        sections=("QRS detection under changed conditions",),
    ),
    "classification": Block(
        page="labels.md",
        commands=("ecg-stream bench classification --noise --model shipped docs/ds1/beat_cnn.pt",),
        sections=(
            "DS2, 22 records",
            "Labels, DS2, 22 records, gross",
            "Labels, DS2, 22 records without 232, gross",
            "Models side by side",
            "Couplets and runs",
            "Decision delay",
            "Labels in noise",
            "Beside other systems",
        ),
    ),
    "classification-svdb": Block(
        page="labels.md",
        commands=("ecg-stream bench classification --database svdb --model docs/ds1/beat_cnn.pt",),
        sections=("svdb", "Labels, svdb, 39 records, gross"),
    ),
    "rhythm": Block(page="rhythm.md", commands=("ecg-stream bench rhythm",)),
    "rhythm-short": Block(page="rhythm.md", commands=("ecg-stream bench rhythm --short",)),
    "alarms": Block(page="alarms.md", commands=("ecg-stream bench alarms",)),
    "rhythm-noise": Block(
        page="rhythm.md",
        commands=("ecg-stream bench rhythm --noise --trials 12",),
        sections=(
            "Time to alarm, arrests, clean",
            "Time to alarm, QRS of 0.3 mV",
            "Time to alarm, ma at 12 dB",
            "Time to alarm, ma at 6 dB",
            "Time to alarm, bw at 6 dB",
            "False alarms a patient-hour, rhythms that tempt",
            "False alarms a patient-hour, sinus rhythm with a fault",
            "False alarms a patient-hour, noise without a heart",
            "False alarms a patient-hour, records with noise",
        ),
    ),
    "speed": Block(page="speed.md", commands=("ecg-stream bench throughput --stage detector",)),
}


def run(command: str, folder: Path) -> str:
    """Run one command as a reader would type it; return what it printed."""
    sys.stderr.write(f"$ {command}\n")
    typed = command.replace("docs/", f"{ROOT}/docs/")
    done = subprocess.run(typed.split(), check=False, stdout=subprocess.PIPE, text=True, cwd=folder)
    if done.returncode:
        raise SystemExit(f"{command}: exit code {done.returncode}")
    return done.stdout


def chosen(text: str, sections: tuple[str, ...]) -> str:
    """Cut the named sections, the first of each name, out of a command's output."""
    parts = re.split(r"\n\s*\n", text.strip("\n"))
    if not sections:
        return "\n\n".join(parts)
    shown = []
    for title in sections:
        found = next((part for part in parts if part.startswith(title)), None)
        if found is None:
            raise SystemExit(f"nothing printed begins with {title!r}")
        shown.append("\n".join(line.rstrip() for line in found.splitlines()))
    return "\n\n".join(shown)


def replace(name: str, block: Block, folder: Path) -> None:
    """Run a block's commands and put their output into its page."""
    output = [run(command, folder) for command in block.commands][-1]
    typed = "\n".join(f"$ {command}" for command in block.commands)
    body = f"```text\n{typed}\n{chosen(output, block.sections)}\n```\n"
    insert(RESULTS / block.page, name, body)


def insert(page: Path, name: str, body: str) -> None:
    """Put `body` into a page's block."""
    text = page.read_text()
    pattern = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
    changed, count = re.subn(pattern, lambda m: m[1] + body + m[2], text, count=1, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{page} has no block '{name}'")
    page.write_text(changed)


def rules() -> str:
    """Return the rhythm tracker's transition table and its diagram."""
    from streamer.rhythm.diagram import diagram, table  # noqa: PLC0415

    return f"{table().strip()}\n\n```mermaid\n{diagram().strip()}\n```\n"


def failures() -> str:
    """Return the table of what each failure looks like."""
    from streamer.bench.faults.consequences import CONSEQUENCES  # noqa: PLC0415

    head = "| failure | a subscriber sees | a person sees | struck by `bench faults` |\n"
    rows = [
        f"| {one.failure} | {one.subscriber} | {one.person} | {'yes' if one.faults else 'no'} |\n"
        for one in CONSEQUENCES
    ]
    return head + "|---|---|---|---|\n" + "".join(rows).replace("<ward>", "`<ward>`")


def options() -> str:
    """Return what `--help` of every subcommand prints."""
    from streamer.commands.cli import COMMANDS  # noqa: PLC0415

    parts = []
    for name in COMMANDS:
        parts.append(f"### {name}\n\n{_help(name)}")
        # Commands that have commands of their own list them, indented by four.
        inner = re.findall(r"^    ([a-z-]+)(?:\s|$)", _help(name), flags=re.MULTILINE)
        parts += [_help(f"{name} {one}") for one in inner]
    return "\n".join(parts)


def _help(command: str) -> str:
    from streamer.commands.cli import build_parser  # noqa: PLC0415

    words = command.split()
    printed = io.StringIO()
    # Put back afterwards: a monitor that runs later in this process would be as wide.
    width = mock.patch.dict(os.environ, COLUMNS=str(HELP_COLUMNS))
    with width, contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        build_parser(words[0]).parse_args([*words, "--help"])
    text = "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())
    return f"```text\n$ ecg-stream {command} --help\n{text}\n```\n"


def pages_of_results() -> str:
    """Return the pages of results, one after the other."""
    return "".join(page.read_text() for page in sorted(RESULTS.glob("*.md")))


def pictures(record: str, folder: Path) -> None:
    """Play a part of a record through the real chain; export the monitor, and a strip, as then."""
    from terminal_svg import export_svg  # noqa: PLC0415

    from replay.player import parse_time  # noqa: PLC0415
    from replay.records import open_record  # noqa: PLC0415
    from streamer.core.events import LabeledBeat, Published, StreamInfo  # noqa: PLC0415
    from streamer.monitor.freezer import picture_of  # noqa: PLC0415
    from streamer.monitor.state import MonitorState  # noqa: PLC0415
    from streamer.monitor.view import render  # noqa: PLC0415
    from streamer.patient.chain import Chain  # noqa: PLC0415
    from streamer.report.strip.writers import write_strip  # noqa: PLC0415
    from streamer.scoring.account import Account  # noqa: PLC0415

    source = open_record(record)
    start, stop = (parse_time(text, source.fs) for text in (PICTURE_START, PICTURE_STOP))
    info = StreamInfo(
        source=source.name,
        fs=source.fs,
        leads=source.leads,
        first_sample=start,
        n_samples=source.n_samples - start,
        training_record=source.name == "208",
        started_at=0.0,
    )
    account = Account(info, reference=source.reference())
    state = MonitorState(info, account)
    chain = Chain(fs=source.fs, n_leads=len(source.leads))
    seq = 0
    for chunk in source.chunks(start, stop, size=36):
        state.observe(chunk)
        for event in chain.push(chunk):
            message = Published(seq=seq, event=event, compute_ms=0.5)
            if isinstance(event, LabeledBeat):
                account.take(event, message.compute_ms, state.now)
            state.publish(message)
            seq += 1
    for name, size in PICTURES.items():
        export_svg(render(state, *size), folder / name, *size, f"ecg-stream replay {record}")
    write_strip(picture_of(state), folder / "strip.svg")


def main() -> None:
    """Regenerate what is named on the command line, or all."""
    names = sys.argv[1:] or ["picture", "station", "rules", "failures", "options", *BLOCKS]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            match name:
                case "rules":
                    insert(ROOT / "docs" / "rhythm-rules.md", "rules", rules())
                case "failures":
                    insert(ROOT / "docs" / "faults.md", "failures", failures())
                case "options":
                    insert(ROOT / "docs" / "commands.md", "options", options())
                case "picture":
                    pictures("208", ROOT / "docs")
                case "station":
                    from station_picture import station  # noqa: PLC0415

                    station(ROOT / "docs" / "station.svg")
                case _:
                    replace(name, BLOCKS[name], Path(folder))
    insert(ROOT / "README.md", "headlines", headlines(pages_of_results()))


if __name__ == "__main__":
    main()
