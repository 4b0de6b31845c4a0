"""What `bench noise` reports: introduction, tables, figures for programs, and its page."""

from functools import partial
from typing import Any, Final

from streamer.bench.detection.noise import THRESHOLDS, NoiseResults
from streamer.bench.detection.peers import not_installed
from streamer.bench.detection.report import score_figures
from streamer.bench.report import OWN, Report, Section
from streamer.report import plots
from streamer.report.table import Column, Table, columns, table
from streamer.scoring.ec57 import TOLERANCE_MS, RecordScore

SCHEMA_VERSION: Final = 1
LEAST_SE: Final = 0.02
"""A threshold that keeps fewer beats than this says nothing about +P."""
_PLOTTED: Final = {"Se": "qrs_se", "+P": "qrs_ppv", "F1": "qrs_f1"}
_SHARE: Final = ".1%"


def noise_report(results: NoiseResults) -> Report:
    """Report every detector in noise, and what a quality threshold is worth."""
    bases = results.bases if len(results.bases) > 1 else ()
    quality = _quality_table(results)
    others = [*(_detector_table(results, b) for b in (*bases, None)), _f1_table(results)]
    words = (
        "Each beat carries a quality index from 0 to 1. A consumer that leaves out beats "
        "below a threshold moves along these curves."
    )
    return Report(
        title=f"QRS detection in noise: {OWN} on the Noise Stress Test Database",
        introduction=_introduction(results),
        tables=[quality, *others],
        figures=_figures(results),
        sections=[
            Section(
                title="Se, +P and F1 against the signal-to-noise ratio",
                parts=[partial(_against_noise, results), *reversed(others)],
            ),
            Section(
                title="Trading sensitivity for precision",
                parts=[words, partial(_trade_off, results), quality],
            ),
        ],
    )


def _introduction(results: NoiseResults) -> list[str]:
    return [
        f"Noise Stress Test Database: records {' and '.join(results.bases)} with electrode motion, "
        f"noisy stretches only, within {TOLERANCE_MS:g} ms.",
        f"{OWN} uses both leads ({'+'.join(results.results[0].leads[:2])}) and is causal; peers "
        "see the whole first lead at once.",
        *not_installed(results.missing),
        *(
            f"{peer} failed on {result.record.base} at {result.record.snr_db} dB: {reason}"
            for result in results.results
            for peer, reason in result.failures.items()
        ),
    ]


def _pair(score: RecordScore) -> str:
    column = Column("", _SHARE)
    return "/".join(column.cell(score.value(name)) for name in ("qrs_se", "qrs_ppv"))


def _ratios(results: NoiseResults) -> tuple[Column, ...]:
    return columns(*(f"{snr_db} dB" for snr_db in results.ratios_db), form=_SHARE)


def _detector_table(results: NoiseResults, base: str | None) -> Table:
    which = "all records" if base is None else f"record {base}"
    return table(
        f"Se/+P in noise, {which}, %",
        (Column("detector"), *_ratios(results)),
        [
            (name, *(_pair(results.score(name, snr_db, base)) for snr_db in results.ratios_db))
            for name in results.detectors
        ],
    )


def _f1_table(results: NoiseResults) -> Table:
    rows: list[tuple[object, ...]] = [
        (name, *(results.score(name, snr_db).value("qrs_f1") for snr_db in results.ratios_db))
        for name in results.detectors
    ]
    own = [results.score(OWN, snr_db) for snr_db in results.ratios_db]
    rows.append(("beats", *(str(score.tp + score.fn) for score in own)))
    header = (Column("detector"), *_ratios(results))
    return table("F1 in noise, all records, %", header, rows, summary_rows=1)


def _quality_table(results: NoiseResults) -> Table:
    """Lay out every second threshold, which is enough for a table."""
    return table(
        f"Trading Se for +P: {OWN}'s Se/+P when beats below a quality are left out, %",
        (Column("quality from", ".2f"), Column("clean"), *_ratios(results)),
        [
            (threshold, *(_pair(results.kept(k, snr_db)) for snr_db in (None, *results.ratios_db)))
            for k, threshold in list(enumerate(THRESHOLDS))[::2]
        ],
    )


def _figures(results: NoiseResults) -> dict[str, Any]:
    """Everything for programs; in `quality`, `snr_db` null are the clean segments."""
    return {
        "schema": SCHEMA_VERSION,
        "detectors": {
            name: [
                {
                    "record": result.record.base,
                    "snr_db": result.record.snr_db,
                    **score_figures(result.noisy[name]),
                }
                for result in results.results
            ]
            for name in results.detectors
        },
        "quality": [
            {"threshold": threshold, "snr_db": snr_db, **score_figures(results.kept(k, snr_db))}
            for k, threshold in enumerate(THRESHOLDS)
            for snr_db in (None, *results.ratios_db)
        ],
        "not_installed": [peer.title for peer in results.missing],
    }


def _against_noise(results: NoiseResults) -> str:
    """Draw Se, +P and F1 of every detector over the signal-to-noise ratio."""
    ratios = [float(snr_db) for snr_db in results.ratios_db]

    def line(detector: str, statistic: str) -> plots.Line:
        scores = [results.score(detector, snr_db) for snr_db in results.ratios_db]
        y = [_percent(score, statistic) for score in scores]
        return plots.Line(name=detector, x=ratios, y=y, is_own=detector == OWN)

    panels = [
        (title, [line(detector, statistic) for detector in results.detectors])
        for title, statistic in _PLOTTED.items()
    ]
    return plots.curves(panels, x_label="signal-to-noise ratio, dB", y_label="%", x_ticks=ratios)


def _percent(score: RecordScore, statistic: str) -> float:
    return 100 * (score.value(statistic) or 0.0)


def _trade_off(results: NoiseResults) -> str:
    """Draw +P over Se, and both over the threshold, for each ratio."""
    curve, se, ppv = [], [], []
    for snr_db in results.ratios_db:
        scores = {t: results.kept(k, snr_db) for k, t in enumerate(THRESHOLDS)}
        shown = {t: s for t, s in scores.items() if (s.value("qrs_se") or 0.0) >= LEAST_SE}
        ses, ppvs = (
            [_percent(score, name) for score in shown.values()] for name in ("qrs_se", "qrs_ppv")
        )
        name = f"{snr_db} dB"
        curve.append(plots.Line(name=name, x=ses, y=ppvs))
        se.append(plots.Line(name=name, x=list(shown), y=ses))
        ppv.append(plots.Line(name=name, x=list(shown), y=ppvs))
    return plots.curves([("+P over Se", curve)], x_label="Se, %", y_label="+P, %") + plots.curves(
        [("Se", se), ("+P", ppv)], x_label="least quality kept", y_label="%"
    )
