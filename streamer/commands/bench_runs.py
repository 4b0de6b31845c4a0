"""What each benchmark of `ecg-stream bench` does once its options are read."""

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamer.bench.classification.noise import NoisyLabels
    from streamer.bench.classification.report import ClassificationReport, ClassificationSettings


def detection(args: argparse.Namespace) -> int:
    """Run `bench detection`."""
    from streamer.bench.detection import tables as detection_tables
    from streamer.bench.detection.measure import DetectionSettings, measure_detection
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
        from streamer.bench.detection.page import detection_page
        from streamer.report.page import write_page

        worst = len(report.worst())
        with progress("drawing worst records", worst) as advance:
            write_page(args.html, detection_page(report, advance))
    return 0


def classification(args: argparse.Namespace) -> int:
    """Run `bench classification`, for one model after the other."""
    from streamer.bench.classification import as_json as classification_json
    from streamer.bench.classification import tables as classification_tables
    from streamer.bench.classification.measure import choose_labelled, settings_of
    from streamer.scoring.bootstrap import BootstrapConfig

    config = BootstrapConfig(resamples=args.resamples)
    names = choose_labelled(args.database, args.records)
    measured = []
    for settings in settings_of(args.model, start=args.start, stop=args.stop):
        report, noisy = _classified(args, names, settings)
        tables = classification_tables.tables(report, config, noisy)
        _print(classification_tables.introduction(report, config, noisy), tables)
        measured.append((report, noisy, tables))
    reports = [report for report, _, _ in measured]
    if len(reports) > 1:
        measured[0][2].append(classification_tables.model_table(reports, config))
        _print([], measured[0][2][-1:])
    _write_json(
        args,
        lambda: classification_json.to_json([(r, noisy) for r, noisy, _ in measured], config),
    )
    if args.html is not None:
        from streamer.bench.classification.page import classification_page
        from streamer.report.page import write_page

        report, noisy, tables = measured[0]
        lines = classification_tables.introduction(report, config, noisy)
        write_page(args.html, classification_page(report, config, lines, tables))
    return 0


def _classified(
    args: argparse.Namespace, names: list[str], settings: "ClassificationSettings"
) -> "tuple[ClassificationReport, list[NoisyLabels]]":
    """Measure one model, in noise too if that was asked for."""
    from streamer.bench.classification.measure import measure_classification
    from streamer.bench.classification.noise import measure_noisy_labels, sources
    from streamer.bench.progress import progress

    noise = sources(settings.stop) if args.noise else []
    title = f"bench classification, {settings.model_name}"
    with progress(title, len(names) + len(noise)) as advance:
        report = measure_classification(
            args.database, names, settings, jobs=args.jobs, advance=advance
        )
        if not noise:
            return report, []
        return report, measure_noisy_labels(settings, noise, jobs=args.jobs, advance=advance)


def noise(args: argparse.Namespace) -> int:
    """Run `bench noise`."""
    from streamer.bench.noise import tables as noise_tables
    from streamer.bench.noise.measure import measure_noise, noise_records
    from streamer.bench.progress import progress

    records = noise_records(args.records)
    with progress("bench noise", len(records)) as advance:
        report = measure_noise(records, peers=args.peers, stop=args.stop, advance=advance)
    _print(noise_tables.introduction(report), noise_tables.tables(report))
    _write_json(args, lambda: noise_tables.to_json(report))
    if args.html is not None:
        from streamer.bench.noise.page import noise_page
        from streamer.report.page import write_page

        write_page(args.html, noise_page(report))
    return 0


def robustness(args: argparse.Namespace) -> int:
    """Run `bench robustness`."""
    from streamer.bench.detection import robustness
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


def throughput(args: argparse.Namespace) -> int:
    """Run `bench throughput`."""
    from streamer.bench.speed import throughput

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
    from streamer.bench.speed import throughput_ward
    from streamer.bench.speed.mosquitto import running_mosquitto

    with running_mosquitto() as url:
        report = throughput_ward.measure_ward(
            advance=lambda line: print(line, file=sys.stderr),  # noqa: T201
            url=url,
        )
    _print(throughput_ward.introduction(report), [throughput_ward.table(report)])
    if args.plot is not None:
        throughput_ward.plot(report, args.plot)
    _write_json(args, lambda: throughput_ward.to_json(report))
    return 0


def soak(args: argparse.Namespace) -> int:
    """Run `bench soak`."""
    from streamer.bench.speed import soak

    if args.minutes <= 0 or args.patients < 1:
        raise ValueError("--minutes and --patients must be above 0")
    config = soak.SoakConfig(minutes=args.minutes, patients=args.patients)
    report = soak.measure_soak(config)
    _print(soak.introduction(report), [soak.table(report)])
    _write_json(args, lambda: soak.to_json(report))
    return 0 if report.passed else 1


def latency(args: argparse.Namespace) -> int:
    """Run `bench latency`."""
    from streamer.bench.speed import latency

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


def faults(args: argparse.Namespace) -> int:
    """Run `bench faults`."""
    import asyncio

    from streamer.bench.faults import matrix as faults
    from streamer.bench.progress import progress

    config = faults.FaultsConfig(faults=args.faults, seed=args.seed, rate=args.rate)
    with progress("bench faults", config.faults) as advance:
        report = asyncio.run(faults.measure_faults(config, advance))
    _print(faults.lines(report), [])
    _write_json(args, lambda: faults.to_json(report))
    return 0 if report.passed else 1


def rhythm(args: argparse.Namespace) -> int:
    """Run `bench rhythm`."""
    from streamer.bench.excerpt import choose_records
    from streamer.bench.progress import progress
    from streamer.bench.rhythm import measure as rhythm
    from streamer.bench.rhythm import onsets as rhythm_onsets

    if args.trials < 0:
        raise ValueError(f"--trials is {args.trials}; give 0 or more")
    if args.noise is not None:
        return _rhythm_noise(args)
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


def _rhythm_noise(args: argparse.Namespace) -> int:
    from streamer.bench.excerpt import choose_records
    from streamer.bench.progress import progress
    from streamer.bench.rhythm import noise as rhythm_noise
    from streamer.bench.rhythm import noise_tables as rhythm_noise_tables

    names = args.records or rhythm_noise.RECORDS
    settings = rhythm_noise.settings_of(
        args.noise,
        trials=args.trials,
        records=[] if args.only_simulated else choose_records(args.database, names),
        stop=args.stop,
    )
    with progress("bench rhythm", rhythm_noise.steps(settings)) as advance:
        report = rhythm_noise.measure_noise(settings, advance=advance)
    _print(rhythm_noise_tables.introduction(report), rhythm_noise_tables.tables(report))
    _write_json(args, lambda: rhythm_noise_tables.to_json(report))
    return 0


def _print(lines: list[str], tables: list[Any]) -> None:
    from streamer.scoring.report import print_table

    sys.stdout.write("".join(f"{line}\n" for line in lines))
    for table in tables:
        print_table(table)


def _write_json(args: argparse.Namespace, make: Callable[[], dict[str, Any]]) -> None:
    from streamer.scoring.report import write_json

    if args.json is not None:
        write_json(args.json, make())
