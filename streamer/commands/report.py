"""`ecg-stream report`: one recording as a self-contained HTML page."""

import argparse
from functools import partial
from pathlib import Path
from typing import Final

from streamer.commands.record_arguments import add_record_arguments, file_options
from streamer.core.text import say

_PARTICULARS: Final = {
    "patient": "the patient's name",
    "patient_id": "the patient's number",
    "born": "date of birth",
    "physician": "who asked for the recording",
    "indication": "why it was made",
    "conclusion": "the conclusion",
}
"""Fields of the page that options fill in."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", help="record as for replay, or a file of `replay --events`")
    parser.add_argument(
        "--out", type=Path, default=Path("report.html"), metavar="FILE", help="(report.html)"
    )
    parser.add_argument("--start", metavar="TIME", help="where to begin, such as 5:00")
    parser.add_argument("--stop", metavar="TIME", help="where to end")
    add_record_arguments(parser)
    parser.add_argument(
        "--record", help="with a file of events: the record that its signal is in, for strips"
    )
    parser.add_argument(
        "--recorded",
        metavar="WHEN",
        help="date and time, or time, of the recording's first sample: '2026-03-05 08:30' "
        "(as the record's header says)",
    )
    parser.add_argument(
        "--compare",
        metavar="SOURCE",
        help="an earlier recording, or its events: what changed since then, on one page",
    )
    for name, what in _PARTICULARS.items():
        option = f"--{name.replace('_', '-')}"
        words = f"{what}; can be edited on the page"
        parser.add_argument(option, default="", metavar="TEXT", help=words)


def run(args: argparse.Namespace) -> int:
    """Write the report and say where."""
    from replay.lead_following import open_two_leads
    from replay.progress import progress_bar
    from streamer.report.change import change_page
    from streamer.report.data import ReportData, from_events, from_record
    from streamer.report.holter import report_page
    from streamer.report.page import write_page
    from streamer.report.particulars import Particulars, Recorded

    recorded = None if args.recorded is None else Recorded.parse(args.recorded)
    opened = partial(open_two_leads, lead=args.lead, options=file_options(args))
    with progress_bar("starting", 100) as update:

        def show(what: str, part: float) -> None:
            update(description=what, completed=round(100 * part))

        def collect(source: str) -> ReportData:
            path = Path(source)
            if path.is_file() and path.suffix in {".json", ".jsonl", ".ndjson"}:
                name = None if args.compare else args.record
                return from_events(path, None if name is None else opened(name))
            record = opened(source)
            on_part = partial(show, f"{record.name}: beats")
            return from_record(record, start=args.start, stop=args.stop, on_part=on_part)

        # What there is to compare with first: a name that is none isn't found out late.
        other = None if args.compare is None else collect(args.compare)
        data = collect(args.source)
        data.recorded = recorded or data.recorded
        if other is not None:
            write_page(args.out, change_page(other, data))
            say(f"{args.out}: {data.source} compared with {other.source}")
            return 0
        given = Particulars(**{name: getattr(args, name) for name in _PARTICULARS})
        on_part = partial(show, f"{data.source}: page")
        content = report_page(data, particulars=given, on_part=on_part)
    write_page(args.out, content)
    say(
        f"{args.out}: {len(data.beats)} beats, {len(data.alarms)} alarms, "
        f"{data.seconds / 60:.1f} minutes"
    )
    return 0
