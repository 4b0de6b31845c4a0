"""What noise does to detection, as a page."""

from streamer.bench.detection.measure import OWN
from streamer.bench.noise.measure import THRESHOLDS, NoiseReport
from streamer.bench.noise.tables import introduction, tables
from streamer.report import page, plots

LEAST_SE: float = 0.02
"""A threshold that keeps fewer beats than this says nothing about +P."""


def noise_page(report: NoiseReport) -> str:
    """Make the page."""
    quality, *others = tables(report)
    ratios = [float(snr_db) for snr_db in report.ratios_db]
    panels = [
        (
            title,
            [
                plots.Line(
                    name=detector,
                    x=ratios,
                    y=[
                        100 * (report.score(detector, snr_db).value(statistic) or 0.0)
                        for snr_db in report.ratios_db
                    ],
                    is_own=detector == OWN,
                )
                for detector in report.detectors
            ],
        )
        for title, statistic in (("Se", "qrs_se"), ("+P", "qrs_ppv"), ("F1", "qrs_f1"))
    ]
    against = plots.curves(panels, x_label="signal-to-noise ratio, dB", y_label="%", x_ticks=ratios)
    sections = [
        page.Section(
            title="Se, +P and F1 against the signal-to-noise ratio",
            body=against + "".join(page.table(content, own=OWN) for content in reversed(others)),
        ),
        page.Section(
            title="Trading sensitivity for precision",
            body=page.paragraph(
                "Each beat carries a quality index from 0 to 1. A consumer that leaves out beats "
                "below a threshold moves along these curves."
            )
            + _trade_off(report)
            + page.table(quality),
        ),
    ]
    return page.page(
        f"QRS detection in noise: {OWN} on the Noise Stress Test Database",
        introduction(report),
        "",
        sections,
    )


def _trade_off(report: NoiseReport) -> str:
    """Draw +P over Se, and both over the threshold, for each ratio."""
    curve, se, ppv = [], [], []
    for snr_db in report.ratios_db:
        scores = [report.kept(number, snr_db) for number in range(len(THRESHOLDS))]
        points = [
            (threshold, 100 * (s.value("qrs_se") or 0.0), 100 * (s.value("qrs_ppv") or 0.0))
            for threshold, s in zip(THRESHOLDS, scores, strict=True)
            if (s.value("qrs_se") or 0.0) >= LEAST_SE
        ]
        thresholds, ses, ppvs = ([point[k] for point in points] for k in range(3))
        name = f"{snr_db} dB"
        curve.append(plots.Line(name=name, x=ses, y=ppvs))
        se.append(plots.Line(name=name, x=thresholds, y=ses))
        ppv.append(plots.Line(name=name, x=thresholds, y=ppvs))
    return plots.curves([("+P over Se", curve)], x_label="Se, %", y_label="+P, %") + plots.curves(
        [("Se", se), ("+P", ppv)], x_label="least quality kept", y_label="%"
    )
