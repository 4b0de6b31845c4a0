import re
import xml.etree.ElementTree as ET

import numpy as np

from streamer.report.plots import figure
from streamer.training.looked_plots import LookedAt, looked_at, shown_columns, standalone

TIME_MS = (np.arange(200) - 100) * 2.8


def test_a_curve_has_more_points_in_the_qrs_complex():
    gaps = np.diff(shown_columns(TIME_MS))
    assert gaps[0] == gaps[-1] == 8
    assert gaps[gaps.size // 2] == 2


def test_a_file_is_short_and_says_what_the_plot_said():
    with figure(4.0, 3.0) as (_, axes, svg):
        axes.plot([0.0, 1.0 / 3.0], [0.0, 1.0])
        axes.set_title("0.1234")
        axes.set_yticks([0.825, 0.975])
    short = standalone(svg[0])
    texts = [one.text for one in ET.fromstring(short).iter("{http://www.w3.org/2000/svg}text")]
    assert {"0.1234", "0.825", "0.975"} <= set(texts)
    assert len(short) < len(svg[0])
    assert not re.search(r' d="[^"]*\.\d\d', short)


def test_every_beat_has_its_panel():
    one = LookedAt(
        title="a beat", beat=np.sin(TIME_MS), gradient=np.cos(TIME_MS), grad_cam=np.ones(200)
    )
    svg = looked_at([one] * 5, TIME_MS, "mV", 4)
    assert svg.count(">a beat<") == 5
    assert svg.count(">Grad-CAM<") == 1
