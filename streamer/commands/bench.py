"""`ecg-stream bench`: measure detection, noise tolerance, speed and robustness."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from streamer.commands import bench_runs

if TYPE_CHECKING:
    from streamer.bench.report import Report

_SHARED: Final[dict[str, dict[str, Any]]] = {
    "--database": {"default": "mitdb", "metavar": "NAME", "help": "database or folder (mitdb)"},
    "--peers": {
        "nargs": "*",
        "metavar": "PEER",
        "help": "measure other detectors too; all, or those named (gqrs, xqrs, sleepecg, ...)",
    },
    "--stop": {"metavar": "TIME", "help": "cut every record there (not at all)"},
    "--jobs": {"type": int, "default": 1, "metavar": "N", "help": "records at the same time (1)"},
    "--mqtt": {"metavar": "URL", "help": "a broker that runs already (a Mosquitto of its own)"},
    "--html": {"type": Path, "metavar": "FILE", "help": "write a report with plots there too"},
    "--json": {"type": Path, "metavar": "FILE", "help": "write every number there too"},
}
"""Options that several benchmarks have."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare each benchmark and its options."""
    benchmarks = parser.add_subparsers(dest="what", metavar="BENCHMARK", required=True)
    for declare in (
        _add_detection,
        _add_classification,
        _add_noise,
        _add_robustness,
        _add_throughput,
        _add_latency,
        _add_soak,
        _add_faults,
        _add_flood,
        _add_cluster,
        _add_rhythm,
        _add_alarms,
    ):
        declare(benchmarks)


def _add_detection(benchmarks: Any) -> None:
    what = "QRS detection beside other detectors, record by record"
    shared = ("--database", "--peers", "--stop", "--jobs", "--html")
    add = _declare(benchmarks, "detection", what, bench_runs.detection, *shared)
    _add_records(add)
    add(
        "--from",
        dest="starts",
        nargs="+",
        default=["0:00", "5:00"],
        metavar="TIME",
        help="start of the scored part; several are scored side by side (0:00 5:00)",
    )
    add(
        "--tolerance-ms",
        nargs="+",
        type=float,
        default=[150.0, 50.0],
        metavar="MS",
        help="match windows (150 50)",
    )
    add("--lead", help="primary lead, by name (MLII where there is one)")


def _add_classification(benchmarks: Any) -> None:
    what = "beat labels end to end, provisional and confirmed, as EC57 asks"
    shared = ("--database", "--stop", "--jobs", "--html")
    add = _declare(benchmarks, "classification", what, bench_runs.classification, *shared)
    _add_records(add, "DS2 of mitdb; all of another database")
    add(
        "--model",
        nargs="+",
        metavar="FILE",
        help="TorchScript models with their sidecars; several side by side (shipped)",
    )
    add("--from", dest="start", default="0:00", metavar="TIME", help="labels count from (0:00)")
    add("--noise", action="store_true", help="count false V labels in noise, too (nstdb)")
    add("--resamples", type=int, default=1000, metavar="N", help="draws of records (1000)")


def _add_noise(benchmarks: Any) -> None:
    what = "QRS detection in the Noise Stress Test Database, and the quality index"
    add = _declare(benchmarks, "noise", what, bench_runs.noise, "--peers", "--stop", "--html")
    _add_records(add)


def _add_robustness(benchmarks: Any) -> None:
    what = "QRS detection on changed copies of records: gain, noise, leads, sampling frequency"
    add = _declare(benchmarks, "robustness", what, bench_runs.robustness, "--database", "--stop")
    _add_records(add, "ten of mitdb; all of another database")


def _add_throughput(benchmarks: Any) -> None:
    what = "time a sample of the detection stages, as a ratio to scipy.signal.sosfilt"
    add = _declare(benchmarks, "throughput", what, bench_runs.throughput, "--mqtt")
    add(
        "--stage",
        choices=("detector", "ward"),
        default="detector",
        help="what to time: the detection stages of one patient, or a ward of many (detector)",
    )
    add("--plot", type=Path, metavar="FILE", help="of a ward: draw cost against patients there")
    add("--seconds", type=float, default=600.0, metavar="N", help="signal in bulk (600)")
    add("--rounds", type=int, default=7, metavar="N", help="repeats (7)")


def _add_latency(benchmarks: Any) -> None:
    what = "latency from R peak to subscriber: real time, real Mosquitto, a process of its own"
    add = _declare(benchmarks, "latency", what, bench_runs.latency, "--mqtt")
    add("--record", default="208", metavar="RECORD", help="what to replay (208)")
    add("--seconds", type=float, default=60.0, metavar="N", help="how much of it (60)")
    add("--budget-ms", type=float, default=500.0, metavar="MS", help="latency budget (500)")
    add("--plot", type=Path, metavar="FILE", help="draw the distributions there (PNG, SVG, PDF)")


def _add_soak(benchmarks: Any) -> None:
    what = "a ward left running: flat memory, no drift, nothing lost"
    add = _declare(benchmarks, "soak", what, bench_runs.soak, "--mqtt")
    add("--minutes", type=float, default=60.0, metavar="N", help="how long (60)")
    add("--patients", type=int, default=48, metavar="N", help="how many (48)")


def _add_faults(benchmarks: Any) -> None:
    what = "kill, stop and cut off a real Mosquitto and the publisher; count lost events"
    add = _declare(benchmarks, "faults", what, bench_runs.faults)
    add("--faults", type=int, default=200, metavar="N", help="how many (200)")
    add("--seed", type=int, default=1, metavar="N", help="of kinds, moments and lengths (1)")
    add("--rate", type=float, default=100.0, metavar="N", help="events a second (100)")
    add("--load", type=int, default=0, metavar="N", help="busy processes beside it (0)")


def _add_flood(benchmarks: Any) -> None:
    what = "malformed messages beside good sources of a ward: what these lose, how late they become"
    add = _declare(benchmarks, "flood", what, bench_runs.flood)
    add("--messages", type=int, default=100_000, metavar="N", help="malformed ones (100,000)")
    add("--sources", type=int, default=10, metavar="N", help="good ones (10)")
    add("--rate", type=float, default=1000.0, metavar="N", help="malformed ones a second (1000)")
    add("--seed", type=int, default=1, metavar="N", help="of what is sent (1)")


def _add_cluster(benchmarks: Any) -> None:
    what = "a cluster on Ray: what one and two workers hold, moving patients, kill -9"
    add = _declare(benchmarks, "cluster", what, bench_runs.cluster)
    add("--patients", type=int, default=200, metavar="N", help="how many (200)")
    add("--kills", type=int, default=20, metavar="N", help="workers killed, one by one (20)")
    add("--seconds", type=float, default=20.0, metavar="N", help="for each number of workers (20)")


def _add_rhythm(benchmarks: Any) -> None:
    what = "rhythm and alarms against reference annotations; time to alarm on simulated onsets"
    add = _declare(benchmarks, "rhythm", what, bench_runs.rhythm, "--database", "--stop")
    _add_records(add)
    add("--from", dest="start", default="5:00", metavar="TIME", help="of episodes (5:00)")
    add("--trials", type=int, default=24, metavar="N", help="simulated onsets of a kind (24)")
    add("--only-simulated", action="store_true", help="leave the records out")
    add(
        "--noise",
        nargs="*",
        metavar="NOISE",
        help="measure alarms in noise and faults instead, with these of nstdb (ma bw)",
    )
    add(
        "--short",
        action="store_true",
        help="measure fibrillation in the half minutes of cinc2017 instead",
    )


def _add_alarms(benchmarks: Any) -> None:
    what = "alarms of bedside monitors that experts judged, and annotated lethal arrhythmias"
    shared = ("--stop", "--jobs", "--html")
    add = _declare(benchmarks, "alarms", what, bench_runs.alarms, *shared)
    add("--bedside", nargs="*", metavar="NAME", help="databases of bedside alarms (cinc2015)")
    add("--annotated", nargs="*", metavar="NAME", help="annotated databases (vfdb mitdb)")
    add("--resamples", type=int, default=1000, metavar="N", help="draws of records (1000)")


def _declare(
    benchmarks: Any,
    name: str,
    summary: str,
    measure: "Callable[[argparse.Namespace], Report]",
    *shared: str,
) -> Callable[..., Any]:
    """Declare a benchmark and its shared options; return what adds its own."""
    parser = benchmarks.add_parser(name, help=summary, description=summary)
    parser.set_defaults(measure=measure)
    for option in (*shared, "--json"):
        parser.add_argument(option, **_SHARED[option])
    add: Callable[..., Any] = parser.add_argument
    return add


def _add_records(add: Callable[..., Any], default: str = "all") -> None:
    what = f"only these; DS1 and DS2 are known ({default})"
    add("--records", nargs="+", metavar="RECORD", help=what)


def run(args: argparse.Namespace) -> int:
    """Run the benchmark that was asked for; print, and write what is to be written."""
    report: Report = args.measure(args)
    from streamer.bench.report import page_of, print_report, write_figures
    from streamer.report.page import write_page

    print_report(report)
    if report.plot is not None and args.plot is not None:
        report.plot(args.plot)
    if args.json is not None:
        write_figures(report, args.json)
    if getattr(args, "html", None) is not None:
        write_page(args.html, page_of(report))
    return 0 if report.passed else 1
