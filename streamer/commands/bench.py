"""`ecg-stream bench`: measure detection, noise tolerance, speed and robustness."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare each benchmark and its options."""
    benchmarks = parser.add_subparsers(dest="what", metavar="BENCHMARK", required=True)
    _add_detection(benchmarks)
    _add_noise(benchmarks)
    _add_robustness(benchmarks)
    _add_throughput(benchmarks)
    _add_latency(benchmarks)
    _add_soak(benchmarks)
    _add_faults(benchmarks)
    _add_rhythm(benchmarks)


def _add_detection(benchmarks: Any) -> None:
    what = "QRS detection beside other detectors, record by record"
    add = _parser(benchmarks, "detection", what, _detection).add_argument
    add("--database", default="mitdb", metavar="NAME", help="database or folder (mitdb)")
    _add_records(add)
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
    add("--stop", metavar="TIME", help="cut every record there (not at all)")
    add("--jobs", type=int, default=1, metavar="N", help="records at the same time (1)")
    _add_files(add, html=True)


def _add_noise(benchmarks: Any) -> None:
    what = "QRS detection in the Noise Stress Test Database, and the quality index"
    add = _parser(benchmarks, "noise", what, _noise).add_argument
    _add_records(add)
    _add_peers(add)
    add("--stop", metavar="TIME", help="cut every record there (not at all)")
    _add_files(add, html=True)


def _add_robustness(benchmarks: Any) -> None:
    what = "QRS detection on changed copies of records: gain, noise, leads, sampling frequency"
    add = _parser(benchmarks, "robustness", what, _robustness).add_argument
    add("--database", default="mitdb", metavar="NAME", help="database or folder (mitdb)")
    _add_records(add)
    add("--stop", metavar="TIME", help="cut every record there (not at all)")
    _add_files(add, html=False)


def _add_throughput(benchmarks: Any) -> None:
    what = "time a sample of the detection stages, as a ratio to scipy.signal.sosfilt"
    add = _parser(benchmarks, "throughput", what, _throughput).add_argument
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
    add = _parser(benchmarks, "latency", what, _latency).add_argument
    add("--record", default="208", metavar="RECORD", help="what to replay (208)")
    add("--seconds", type=float, default=60.0, metavar="N", help="how much of it (60)")
    add("--budget-ms", type=float, default=500.0, metavar="MS", help="latency budget (500)")
    add("--mqtt", metavar="URL", help="a broker that runs already (a Mosquitto of its own)")
    add("--plot", type=Path, metavar="FILE", help="draw the distributions there (PNG, SVG, PDF)")
    _add_files(add, html=False)


def _add_faults(benchmarks: Any) -> None:
    what = "kill, stop and cut off a real Mosquitto and the publisher; count lost events"
    add = _parser(benchmarks, "faults", what, _faults).add_argument
    add("--faults", type=int, default=200, metavar="N", help="how many (200)")
    add("--seed", type=int, default=1, metavar="N", help="of kinds, moments and lengths (1)")
    add("--rate", type=float, default=100.0, metavar="N", help="events a second (100)")
    _add_files(add, html=False)


def _add_rhythm(benchmarks: Any) -> None:
    what = "rhythm and alarms against reference annotations; time to alarm on simulated onsets"
    add = _parser(benchmarks, "rhythm", what, _rhythm).add_argument
    add("--database", default="mitdb", metavar="NAME", help="database or folder (mitdb)")
    _add_records(add)
    add("--from", dest="start", default="5:00", metavar="TIME", help="of episodes (5:00)")
    add("--stop", metavar="TIME", help="cut every record there (not at all)")
    add("--trials", type=int, default=24, metavar="N", help="simulated onsets of a kind (24)")
    add("--only-simulated", action="store_true", help="leave the records out")
    _add_files(add, html=False)


def _add_soak(benchmarks: Any) -> None:
    what = "a ward left running: flat memory, no drift, nothing lost"
    add = _parser(benchmarks, "soak", what, _soak).add_argument
    add("--minutes", type=float, default=60.0, metavar="N", help="how long (60)")
    add("--patients", type=int, default=48, metavar="N", help="how many (48)")
    _add_files(add, html=False)


def _parser(
    benchmarks: Any, name: str, summary: str, run_it: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = benchmarks.add_parser(name, help=summary, description=summary)
    parser.set_defaults(benchmark=run_it)
    return parser


def _add_records(add: Callable[..., Any]) -> None:
    add("--records", nargs="+", metavar="RECORD", help="only these; DS1 and DS2 are known")


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


def _detection(args: argparse.Namespace) -> int:
    from streamer.bench import detection_tables
    from streamer.bench.detection import DetectionSettings, measure_detection
    from streamer.bench.excerpt import choose_records
    from streamer.bench.progress import progress

    settings = DetectionSettings(
        starts=tuple(args.starts),
        tolerances_ms=tuple(args.tolerance_ms),
        lead=args.lead,
        stop=args.stop,
        peers=None if args.peers is None else tuple(args.peers),
    )
    names = choose_records(args.database, args.records)
    with progress("bench detection", len(names)) as advance:
        report = measure_detection(args.database, names, settings, jobs=args.jobs, advance=advance)
    _print(detection_tables.introduction(report), detection_tables.tables(report))
    _write_json(args, lambda: detection_tables.to_json(report))
    if args.html is not None:
        from streamer.bench.detection_html import detection_page
        from streamer.bench.page import write_page

        worst = len(report.worst())
        with progress("drawing worst records", worst) as advance:
            write_page(args.html, detection_page(report, advance))
    return 0


def _noise(args: argparse.Namespace) -> int:
    from streamer.bench import noise_tables
    from streamer.bench.noise import measure_noise, noise_records
    from streamer.bench.progress import progress

    records = noise_records(args.records)
    with progress("bench noise", len(records)) as advance:
        report = measure_noise(records, peers=args.peers, stop=args.stop, advance=advance)
    _print(noise_tables.introduction(report), noise_tables.tables(report))
    _write_json(args, lambda: noise_tables.to_json(report))
    if args.html is not None:
        from streamer.bench.noise_html import noise_page
        from streamer.bench.page import write_page

        write_page(args.html, noise_page(report))
    return 0


def _robustness(args: argparse.Namespace) -> int:
    from streamer.bench import robustness
    from streamer.bench.excerpt import choose_records
    from streamer.bench.progress import progress

    wanted = args.records
    if wanted is None and args.database == "mitdb":
        wanted = robustness.DEFAULT_RECORDS
    names = choose_records(args.database, wanted)
    with progress("bench robustness", len(names)) as advance:
        results = robustness.measure_robustness(names, stop=args.stop, advance=advance)
    _print(robustness.introduction(results), [robustness.table(results)])
    _write_json(args, lambda: robustness.to_json(results))
    return 0


def _throughput(args: argparse.Namespace) -> int:
    from streamer.bench import throughput

    if args.stage == "ward":
        return _throughput_ward(args)
    if args.seconds < 1 or args.rounds < 1:
        raise ValueError("--seconds and --rounds must be 1 or more")
    config = throughput.ThroughputConfig(
        seconds=args.seconds, single_seconds=args.seconds / 20, rounds=args.rounds
    )
    timings = throughput.measure_throughput(config)
    _print(throughput.introduction(config), throughput.tables(timings))
    _write_json(args, lambda: throughput.to_json(timings, config))
    return 0


def _throughput_ward(args: argparse.Namespace) -> int:
    from streamer.bench import throughput_ward

    report = throughput_ward.measure_ward(advance=lambda line: print(line, file=sys.stderr))  # noqa: T201
    _print(throughput_ward.introduction(report), [throughput_ward.table(report)])
    if args.plot is not None:
        throughput_ward.plot(report, args.plot)
    _write_json(args, lambda: throughput_ward.to_json(report))
    return 0


def _soak(args: argparse.Namespace) -> int:
    from streamer.bench import soak

    if args.minutes <= 0 or args.patients < 1:
        raise ValueError("--minutes and --patients must be above 0")
    config = soak.SoakConfig(minutes=args.minutes, patients=args.patients)
    report = soak.measure_soak(config)
    _print(soak.introduction(report), [soak.table(report)])
    _write_json(args, lambda: soak.to_json(report))
    return 0 if report.passed else 1


def _latency(args: argparse.Namespace) -> int:
    from streamer.bench import latency

    if args.seconds <= 0 or args.budget_ms <= 0:
        raise ValueError("--seconds and --budget-ms must be above 0")
    settings = latency.LatencySettings(
        record=args.record, seconds=args.seconds, budget_ms=args.budget_ms, mqtt=args.mqtt
    )
    report = latency.measure_latency(settings)
    _print(latency.introduction(report), [latency.table(report)])
    if args.plot is not None:
        latency.plot(report, args.plot)
    _write_json(args, lambda: latency.to_json(report))
    return 0


def _faults(args: argparse.Namespace) -> int:
    import asyncio

    from streamer.bench import faults
    from streamer.bench.progress import progress

    config = faults.FaultsConfig(faults=args.faults, seed=args.seed, rate=args.rate)
    with progress("bench faults", config.faults) as advance:
        report = asyncio.run(faults.measure_faults(config, advance))
    _print(faults.lines(report), [])
    _write_json(args, lambda: faults.to_json(report))
    return 0 if report.passed else 1


def _rhythm(args: argparse.Namespace) -> int:
    from streamer.bench import rhythm, rhythm_onsets
    from streamer.bench.excerpt import choose_records
    from streamer.bench.progress import progress

    if args.trials < 0:
        raise ValueError(f"--trials is {args.trials}; give 0 or more")
    names = [] if args.only_simulated else choose_records(args.database, args.records)
    scenarios = rhythm_onsets.SCENARIOS if args.trials else ()
    with progress("bench rhythm", len(names) + len(scenarios)) as advance:
        results = rhythm.measure_rhythm(names, stop=args.stop, start=args.start, advance=advance)
        onsets = rhythm_onsets.measure_onsets(
            trials=-(-args.trials // 2), scenarios=scenarios, advance=advance
        )
    _print(rhythm.introduction(results, args.start), rhythm.tables(results, onsets))
    _write_json(args, lambda: rhythm.to_json(results, onsets))
    return 0


def _print(lines: list[str], tables: list[Any]) -> None:
    from streamer.score_report import print_table

    sys.stdout.write("\n".join(lines) + "\n")
    for table in tables:
        print_table(table)


def _write_json(args: argparse.Namespace, make: Callable[[], dict[str, Any]]) -> None:
    from streamer.score_report import write_json

    if args.json is not None:
        write_json(args.json, make())
