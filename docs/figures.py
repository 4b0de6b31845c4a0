"""Regenerate every table and picture of the README, by running the commands it names.

    make figures                   # all, about a quarter of an hour
    python docs/figures.py NAME... # some of them

A block of the README between `<!-- begin NAME -->` and `<!-- end NAME -->` is replaced by what its
command printed; nothing in it is typed by hand.
"""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from headlines import headlines

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURE_START, PICTURE_STOP = "0:30", "1:31"
PICTURES = {"monitor.svg": (100, 30), "monitor-wide.svg": (160, 50)}
"""Pictures of the monitor and the size of the terminal that each shows."""


@dataclass(frozen=True)
class Block:
    """A table of the README: the commands that make it, and the sections that are shown."""

    commands: tuple[str, ...]
    sections: tuple[str, ...] = ()
    """First words of the sections to show, in this order; all if empty."""


BLOCKS = {
    "detection": Block(
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
        commands=("ecg-stream bench detection --database svdb",),
        sections=("QRS detection, from 0:00, within 150 ms",),
    ),
    "noise": Block(
        commands=("ecg-stream bench noise --peers",),
        sections=("Se/+P in noise, record 118", "F1 in noise, all records", "Trading Se for +P"),
    ),
    "robustness": Block(
        commands=("ecg-stream bench robustness --records DS2",),
        sections=("QRS detection under changed conditions",),
    ),
    "classification": Block(
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
        commands=("ecg-stream bench classification --database svdb --model docs/ds1/beat_cnn.pt",),
        sections=("svdb", "Labels, svdb, 39 records, gross"),
    ),
    "rhythm": Block(commands=("ecg-stream bench rhythm",)),
    "rhythm-noise": Block(
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
    "speed": Block(commands=("ecg-stream bench throughput --stage detector",)),
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
    """Run a block's commands and put their output into the README."""
    output = [run(command, folder) for command in block.commands][-1]
    typed = "\n".join(f"$ {command}" for command in block.commands)
    body = f"```text\n{typed}\n{chosen(output, block.sections)}\n```\n"
    insert(name, body)


def insert(name: str, body: str) -> None:
    """Put `body` into the README's block."""
    text = README.read_text()
    pattern = rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"
    changed, count = re.subn(pattern, lambda m: m[1] + body + m[2], text, count=1, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"README.md has no block '{name}'")
    README.write_text(changed)


def rules() -> None:
    """Put the rhythm tracker's transition table and its diagram into the README."""
    from streamer.rhythm.diagram import diagram, table  # noqa: PLC0415

    insert("rules", f"{table().strip()}\n\n```mermaid\n{diagram().strip()}\n```\n")


def pictures(record: str, folder: Path) -> None:
    """Play a part of a record through the real chain; export the monitor, and a strip, as then."""
    from replay.player import parse_time  # noqa: PLC0415
    from replay.records import open_record  # noqa: PLC0415
    from streamer.core.events import Published, StreamInfo  # noqa: PLC0415
    from streamer.monitor.freezer import picture_of  # noqa: PLC0415
    from streamer.monitor.state import MonitorState  # noqa: PLC0415
    from streamer.monitor.view import export_svg  # noqa: PLC0415
    from streamer.patient.chain import Chain  # noqa: PLC0415
    from streamer.report.strip.writers import write_strip  # noqa: PLC0415

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
    state = MonitorState(info, reference=source.reference())
    chain = Chain(fs=source.fs, n_leads=len(source.leads))
    seq = 0
    for chunk in source.chunks(start, stop, size=36):
        state.observe(chunk)
        for event in chain.push(chunk):
            state.publish(Published(seq=seq, event=event, compute_ms=0.5))
            seq += 1
    for name, size in PICTURES.items():
        export_svg(state, folder / name, *size)
    write_strip(picture_of(state), folder / "strip.svg")


def main() -> None:
    """Regenerate what is named on the command line, or all."""
    names = sys.argv[1:] or ["picture", "rules", *BLOCKS]
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if name == "rules":
                rules()
            elif name == "picture":
                pictures("208", ROOT / "docs")
            else:
                replace(name, BLOCKS[name], Path(folder))
    insert("headlines", headlines(README.read_text()))


if __name__ == "__main__":
    main()
