"""`ecg-stream bench`: measure detection, noise tolerance, speed and robustness."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamer.commands import bench_runs


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare each benchmark and its options."""
    benchmarks = parser.add_subparsers(dest="what", metavar="BENCHMARK", required=True)
    _add_detection(benchmarks)
    _add_classification(benchmarks)
    _add_noise(benchmarks)
    _add_robustness(benchmarks)
    _add_throughput(benchmarks)
    _add_latency(benchmarks)
    _add_soak(benchmarks)
    _add_faults(benchmarks)
    _add_rhythm(benchmarks)


def _add_detection(benchmarks: Any) -> None:
    what = "QRS detection beside other detectors, record by record"
    add = _parser(benchmarks, "detection", what, bench_runs.detection).add_argument
    _add_database(add)
    _add_peers(add)
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
    _add_stop(add)
    _add_jobs(add)
    _add_files(add, html=True)


def _add_classification(benchmarks: Any) -> None:
    what = "beat labels end to end, provisional and confirmed, as EC57 asks"
    add = _parser(benchmarks, "classification", what, bench_runs.classification).add_argument
    _add_database(add, "DS2 of mitdb; all of another database")
    add(
        "--model",
        nargs="+",
        metavar="FILE",
        help="TorchScript models with their sidecars; several side by side (shipped)",
    )
    add("--from", dest="start", default="0:00", metavar="TIME", help="labels count from (0:00)")
    _add_stop(add)
    add("--noise", action="store_true", help="count false V labels in noise, too (nstdb)")
    add("--resamples", type=int, default=1000, metavar="N", help="draws of records (1000)")
    _add_jobs(add)
    _add_files(add, html=True)


def _add_noise(benchmarks: Any) -> None:
    what = "QRS detection in the Noise Stress Test Database, and the quality index"
    add = _parser(benchmarks, "noise", what, bench_runs.noise).add_argument
    _add_records(add)
    _add_peers(add)
    _add_stop(add)
    _add_files(add, html=True)


def _add_robustness(benchmarks: Any) -> None:
    what = "QRS detection on changed copies of records: gain, noise, leads, sampling frequency"
    add = _parser(benchmarks, "robustness", what, bench_runs.robustness).add_argument
    _add_database(add, "ten of mitdb; all of another database")
    _add_stop(add)
    _add_files(add, html=False)


def _add_throughput(benchmarks: Any) -> None:
    what = "time a sample of the detection stages, as a ratio to scipy.signal.sosfilt"
    add = _parser(benchmarks, "throughput", what, bench_runs.throughput).add_argument
    add(
        "--stage",
        choices=("detector", "ward"),
        default="detector",
        help="what to time: the detection stages of one patient, or a ward of many (detector)",
    )
    add("--plot", type=Path, metavar="FILE", help="of a ward: draw cost against patients there")
    add("--seconds", type=float, default=600.0, metavar="N", help="signal in bulk (600)")
    add("--rounds", type=int, default=7, metavar="N", help="repeats (7)")
    _add_files(add, html=False)


def _add_latency(benchmarks: Any) -> None:
    what = "latency from R peak to subscriber: real time, real Mosquitto, a process of its own"
    add = _parser(benchmarks, "latency", what, bench_runs.latency).add_argument
    add("--record", default="208", metavar="RECORD", help="what to replay (208)")
    add("--seconds", type=float, default=60.0, metavar="N", help="how much of it (60)")
    add("--budget-ms", type=float, default=500.0, metavar="MS", help="latency budget (500)")
    add("--mqtt", metavar="URL", help="a broker that runs already (a Mosquitto of its own)")
    add("--plot", type=Path, metavar="FILE", help="draw the distributions there (PNG, SVG, PDF)")
    _add_files(add, html=False)


def _add_faults(benchmarks: Any) -> None:
    what = "kill, stop and cut off a real Mosquitto and the publisher; count lost events"
    add = _parser(benchmarks, "faults", what, bench_runs.faults).add_argument
    add("--faults", type=int, default=200, metavar="N", help="how many (200)")
    add("--seed", type=int, default=1, metavar="N", help="of kinds, moments and lengths (1)")
    add("--rate", type=float, default=100.0, metavar="N", help="events a second (100)")
    _add_files(add, html=False)


def _add_rhythm(benchmarks: Any) -> None:
    what = "rhythm and alarms against reference annotations; time to alarm on simulated onsets"
    add = _parser(benchmarks, "rhythm", what, bench_runs.rhythm).add_argument
    _add_database(add)
    add("--from", dest="start", default="5:00", metavar="TIME", help="of episodes (5:00)")
    _add_stop(add)
    add("--trials", type=int, default=24, metavar="N", help="simulated onsets of a kind (24)")
    add("--only-simulated", action="store_true", help="leave the records out")
    add(
        "--noise",
        nargs="*",
        metavar="NOISE",
        help="measure alarms in noise and faults instead, with these of nstdb (ma bw)",
    )
    _add_files(add, html=False)


def _add_soak(benchmarks: Any) -> None:
    what = "a ward left running: flat memory, no drift, nothing lost"
    add = _parser(benchmarks, "soak", what, bench_runs.soak).add_argument
    add("--minutes", type=float, default=60.0, metavar="N", help="how long (60)")
    add("--patients", type=int, default=48, metavar="N", help="how many (48)")
    _add_files(add, html=False)


def _parser(
    benchmarks: Any, name: str, summary: str, run_it: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = benchmarks.add_parser(name, help=summary, description=summary)
    parser.set_defaults(benchmark=run_it)
    return parser


def _add_database(add: Callable[..., Any], records: str = "all") -> None:
    add("--database", default="mitdb", metavar="NAME", help="database or folder (mitdb)")
    _add_records(add, records)


def _add_stop(add: Callable[..., Any]) -> None:
    add("--stop", metavar="TIME", help="cut every record there (not at all)")


def _add_jobs(add: Callable[..., Any]) -> None:
    add("--jobs", type=int, default=1, metavar="N", help="records at the same time (1)")


def _add_records(add: Callable[..., Any], default: str = "all") -> None:
    what = f"only these; DS1 and DS2 are known ({default})"
    add("--records", nargs="+", metavar="RECORD", help=what)


def _add_peers(add: Callable[..., Any]) -> None:
    add(
        "--peers",
        nargs="*",
        metavar="PEER",
        help="measure other detectors too; all, or those named (gqrs, xqrs, sleepecg, ...)",
    )


def _add_files(add: Callable[..., Any], *, html: bool) -> None:
    add("--json", type=Path, metavar="FILE", help="write every number there too")
    if html:
        add("--html", type=Path, metavar="FILE", help="write a report with plots there too")


def run(args: argparse.Namespace) -> int:
    """Run the benchmark that was asked for."""
    benchmark: Callable[[argparse.Namespace], int] = args.benchmark
    return benchmark(args)
