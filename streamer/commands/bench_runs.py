"""What each benchmark of `ecg-stream bench` measures once its options are read."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamer.bench.classification.report import Measured
    from streamer.bench.classification.results import ClassificationSettings
    from streamer.bench.report import Report


def detection(args: argparse.Namespace) -> "Report":
    """Measure detection, beside other detectors."""
    from streamer.bench.detection.measure import DetectionSettings, measure_detection
    from streamer.bench.detection.report import detection_report
    from streamer.bench.excerpt import choose_records
    from streamer.bench.work import progress

    settings = DetectionSettings(
        starts=tuple(args.starts),
        tolerances_ms=tuple(args.tolerance_ms),
        lead=args.lead,
        stop=args.stop,
        peers=None if args.peers is None else tuple(args.peers),
    )
    names = choose_records(args.database, args.records)
    with progress("bench detection", len(names)) as advance:
        found = measure_detection(args.database, names, settings, jobs=args.jobs, advance=advance)
    return detection_report(found)


def classification(args: argparse.Namespace) -> "Report":
    """Measure beat labels, of one model after the other."""
    from streamer.bench.classification.measure import choose_labelled, settings_of
    from streamer.bench.classification.report import classification_report
    from streamer.scoring.bootstrap import BootstrapConfig

    config = BootstrapConfig(resamples=args.resamples)
    names = choose_labelled(args.database, args.records)
    models = settings_of(args.model, start=args.start, stop=args.stop)
    return classification_report([_labelled(args, names, model) for model in models], config)


def _labelled(
    args: argparse.Namespace, names: list[str], settings: "ClassificationSettings"
) -> "Measured":
    """Measure one model, in noise too if that was asked for."""
    from streamer.bench.classification.measure import measure_classification
    from streamer.bench.classification.noise import measure_noisy_labels, sources
    from streamer.bench.work import progress

    noise = sources(settings.stop) if args.noise else []
    title = f"bench classification, {settings.model_name}"
    with progress(title, len(names) + len(noise)) as advance:
        found = measure_classification(
            args.database, names, settings, jobs=args.jobs, advance=advance
        )
        if not noise:
            return found, []
        return found, measure_noisy_labels(settings, noise, jobs=args.jobs, advance=advance)


def noise(args: argparse.Namespace) -> "Report":
    """Measure detection in noise."""
    from streamer.bench.detection.noise import measure_noise, noise_records
    from streamer.bench.detection.noise_report import noise_report
    from streamer.bench.work import progress

    records = noise_records(args.records)
    with progress("bench noise", len(records)) as advance:
        found = measure_noise(records, peers=args.peers, stop=args.stop, advance=advance)
    return noise_report(found)


def robustness(args: argparse.Namespace) -> "Report":
    """Measure detection on changed copies."""
    from streamer.bench.detection import robustness
    from streamer.bench.excerpt import choose_records, read_excerpt
    from streamer.bench.work import progress

    wanted = args.records
    if wanted is None and args.database == "mitdb":
        wanted = robustness.DEFAULT_RECORDS
    names = choose_records(args.database, wanted)
    with progress("bench robustness", len(names)) as advance:
        excerpts = (read_excerpt(name, stop=args.stop) for name in names)
        found = robustness.measure_robustness(excerpts, advance=advance)
    return robustness.robustness_report(found)


def throughput(args: argparse.Namespace) -> "Report":
    """Time the detection stages, or a ward."""
    from streamer.bench.speed import throughput

    if args.stage == "ward":
        return _throughput_ward(args)
    if args.seconds < 1 or args.rounds < 1:
        raise ValueError("--seconds and --rounds must be 1 or more")
    config = throughput.ThroughputConfig(
        seconds=args.seconds, single_seconds=args.seconds / 20, rounds=args.rounds
    )
    return throughput.throughput_report(throughput.measure_throughput(config), config)


def _throughput_ward(args: argparse.Namespace) -> "Report":
    from streamer.bench.speed.mosquitto import broker
    from streamer.bench.speed.throughput_ward import measure_ward
    from streamer.bench.speed.ward_report import ward_report

    with broker(args.mqtt) as url:
        found = measure_ward(
            advance=lambda line: print(line, file=sys.stderr),  # noqa: T201
            url=url,
        )
    return ward_report(found)


def soak(args: argparse.Namespace) -> "Report":
    """Leave a ward running."""
    from streamer.bench.speed.soak import SoakConfig, measure_soak, soak_report

    if args.minutes <= 0 or args.patients < 1:
        raise ValueError("--minutes and --patients must be above 0")
    config = SoakConfig(minutes=args.minutes, patients=args.patients, mqtt=args.mqtt)
    return soak_report(measure_soak(config))


def latency(args: argparse.Namespace) -> "Report":
    """Measure the time from an R peak to a subscriber."""
    from streamer.bench.speed.latency import LatencySettings, measure_latency
    from streamer.bench.speed.latency_report import latency_report

    if args.seconds <= 0 or args.budget_ms <= 0:
        raise ValueError("--seconds and --budget-ms must be above 0")
    settings = LatencySettings(
        record=args.record, seconds=args.seconds, budget_ms=args.budget_ms, mqtt=args.mqtt
    )
    return latency_report(measure_latency(settings))


def faults(args: argparse.Namespace) -> "Report":
    """Break broker, network and publisher, and count lost events."""
    import asyncio

    from streamer.bench.faults.matrix import measure_faults
    from streamer.bench.faults.plan import FaultsConfig
    from streamer.bench.faults.report import faults_report
    from streamer.bench.work import progress

    config = FaultsConfig(faults=args.faults, seed=args.seed, rate=args.rate, load=args.load)
    with progress("bench faults", config.faults) as advance:
        return faults_report(asyncio.run(measure_faults(config, advance)))


def flood(args: argparse.Namespace) -> "Report":
    """Send malformed messages beside good sources, and count what these lose."""
    import asyncio

    from streamer.bench.faults.flood import FloodConfig, measure_flood
    from streamer.bench.faults.flood_report import flood_report

    config = FloodConfig(
        messages=args.messages, sources=args.sources, rate=args.rate, seed=args.seed
    )
    return flood_report(asyncio.run(measure_flood(config)))


def cluster(args: argparse.Namespace) -> "Report":
    """Resize a cluster, and kill its workers."""
    import asyncio

    from streamer.bench.cluster.measure import ClusterConfig, measure_cluster
    from streamer.bench.cluster.report import cluster_report

    if args.patients < 1 or args.kills < 0 or args.seconds <= 0:
        raise ValueError("--patients and --seconds must be above 0, --kills 0 or more")
    config = ClusterConfig(patients=args.patients, kills=args.kills, seconds=args.seconds)
    advance = lambda line: print(line, file=sys.stderr)  # noqa: E731, T201
    return cluster_report(asyncio.run(measure_cluster(config, advance)))


def rhythm(args: argparse.Namespace) -> "Report":
    """Measure rhythm and alarms, of records and simulated onsets or in noise."""
    from streamer.bench.excerpt import choose_records
    from streamer.bench.rhythm.measure import measure_rhythm
    from streamer.bench.rhythm.onsets import SCENARIOS, measure_onsets
    from streamer.bench.rhythm.report import rhythm_report
    from streamer.bench.work import progress

    if args.trials < 0:
        raise ValueError(f"--trials is {args.trials}; give 0 or more")
    if args.noise is not None:
        return _rhythm_noise(args)
    if args.short:
        return _rhythm_short()
    names = [] if args.only_simulated else choose_records(args.database, args.records)
    scenarios = SCENARIOS if args.trials else ()
    with progress("bench rhythm", len(names) + len(scenarios)) as advance:
        results = measure_rhythm(names, stop=args.stop, start=args.start, advance=advance)
        trials = -(-args.trials // 2)
        onsets = measure_onsets(trials=trials, scenarios=scenarios, advance=advance)
    return rhythm_report(results, onsets, args.start)


def _rhythm_short() -> "Report":
    """Measure atrial fibrillation in short recordings."""
    from streamer.bench.rhythm.short import measure_short, short_records, short_report
    from streamer.bench.work import progress

    records = short_records()
    with progress("bench rhythm", len(records)) as advance:
        return short_report(measure_short(records, advance=advance))


def _rhythm_noise(args: argparse.Namespace) -> "Report":
    from streamer.bench.excerpt import choose_records
    from streamer.bench.rhythm import noise
    from streamer.bench.rhythm.report import alarm_noise_report
    from streamer.bench.work import progress

    names = args.records or noise.RECORDS
    settings = noise.settings_of(
        args.noise,
        trials=args.trials,
        records=[] if args.only_simulated else choose_records(args.database, names),
        stop=args.stop,
    )
    plan = noise.plan_alarm_noise(settings)
    with progress("bench rhythm", plan.steps) as advance:
        return alarm_noise_report(noise.measure_alarm_noise(plan, advance=advance))


def alarms(args: argparse.Namespace) -> "Report":
    """Measure alarms on real recordings of intensive care and of lethal arrhythmias."""
    from replay.records import records_of
    from streamer.bench.alarms.measure import measure_bedside, measure_lethal
    from streamer.bench.alarms.report import alarms_report
    from streamer.bench.work import progress
    from streamer.scoring.bedside_alarms import DATABASE, bedside_alarms
    from streamer.scoring.bootstrap import BootstrapConfig

    config = BootstrapConfig(resamples=args.resamples)
    bedside = [DATABASE] if args.bedside is None else args.bedside
    annotated = ["vfdb", "mitdb"] if args.annotated is None else args.annotated
    cases = [case for database in bedside for case in bedside_alarms(database)]
    steps = len(cases) + sum(len(records_of(database)) for database in annotated)
    with progress("bench alarms", steps) as advance:
        judged = measure_bedside(cases, jobs=args.jobs, advance=advance)
        lethal = measure_lethal(annotated, stop=args.stop, jobs=args.jobs, advance=advance)
    return alarms_report(judged, lethal, config)
