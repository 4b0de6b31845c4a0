import io

import numpy as np
import pytest
from explained_cases import COLUMNS, explained_beat
from rich.console import Console

from classifier.inputs.features import FEATURE_NAMES, NEXT_BEAT
from classifier.inputs.geometry import SIGNAL_CHANNELS
from streamer.core.errors import OutputError
from streamer.monitor.explain_view import GUTTER, MAX_WIDTH, MIN_WIDTH, explain_lines
from streamer.monitor.terminal.screen_lines import Frame
from streamer.report.explain.picture import write_picture

LEADS = sum(not name.startswith("template") for name in SIGNAL_CHANNELS)


def shown(explained, width=100, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    console.print(Frame(explain_lines(explained, width)))
    return console.file.getvalue().splitlines()


def row(lines, name):
    (found,) = [text for text in lines if text.startswith(f"{name:>{GUTTER - 1}} ")][-1:]
    return found[GUTTER:]


@pytest.mark.parametrize("width", [20, MIN_WIDTH, 87, MAX_WIDTH, 300])
def test_every_line_has_the_width_of_the_terminal_within_limits(width):
    wanted = min(max(width, MIN_WIDTH), MAX_WIDTH)
    for line in explain_lines(explained_beat(), width):
        assert sum(len(segment.text) for segment in line) == wanted


def test_heat_rows_peak_where_the_values_do():
    lines = shown(explained_beat())
    cells = 100 - GUTTER
    gradient = next(text for text in lines if text.startswith(f"{'gradient':>{GUTTER - 1}} "))
    assert gradient[GUTTER:].index("█") == 60 * cells // COLUMNS
    assert abs(row(lines, "Grad-CAM").index("█") - 190 * cells // COLUMNS) <= 3


def test_words_say_what_it_is():
    lines = shown(explained_beat(training_record=True, reason="noise", symbol=None), 120)
    assert lines[0].startswith("208 at 0:10: V, confirmed (noise); no reference")
    assert lines[1].startswith("why V: probability 0.800, log-odds +1.39 (-2.00 with usual")
    assert "the model was trained on this record" in lines[2]
    assert "reference F (symbol F)" in shown(explained_beat())[0]


def test_the_rhythm_that_led_up_to_it_is_said():
    assert "RR intervals up to this beat, ms: 800 790 512" in "".join(shown(explained_beat()))
    assert "ms: none known" in "".join(shown(explained_beat(rr_s=())))
    time_s, signal = explained_beat().context()
    assert (time_s[540], time_s.size) == (0.0, signal.size)


def test_no_evidence_is_said_in_words():
    lines = shown(explained_beat(grad_cam=np.zeros(COLUMNS)))
    assert "nothing that the last convolution saw speaks for V" in lines[2]
    assert not row(lines, "Grad-CAM").strip()


def test_features_come_with_sign_and_size():
    explained = explained_beat()
    lines = shown(explained)
    (last,) = [text for text in lines if text.startswith(FEATURE_NAMES[-1])]
    assert last.rstrip().endswith("│" + "━" * last.count("━") + " +1.50")
    (first,) = [text for text in lines if text.startswith(FEATURE_NAMES[0] + " ")]
    assert first.index("━") < first.index("│")
    assert first.rstrip().endswith("-1.00")


def test_a_provisional_label_has_no_features_of_the_next_beat():
    for revision, known in ((0, False), (1, True)):
        names = {one.name for one in explained_beat(revision=revision).strongest(100)}
        assert (set(FEATURE_NAMES[NEXT_BEAT]) <= names) is known


def test_each_lead_has_a_panel_with_its_template():
    panels = explained_beat().panels()
    assert len(panels) == LEADS
    assert panels[0].template is not None
    assert panels[0].template.max() == pytest.approx(1.0)
    assert panels[0].saliency.max() == 1.0


def test_a_beat_without_any_gradient_can_be_shown():
    explained = explained_beat(
        saliency=np.zeros((len(SIGNAL_CHANNELS), COLUMNS)),
        contributions=np.zeros(len(FEATURE_NAMES)),
    )
    assert shown(explained)


def test_without_colours_nothing_but_colours_is_lost():
    coloured = shown(explained_beat(), force_terminal=True, color_system="truecolor", no_color=True)
    assert "█" in "".join(coloured)
    assert "\x1b[3" not in "".join(coloured)


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_the_picture_is_a_file_of_its_kind_and_the_same_again(tmp_path, suffix, start):
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_picture(explained_beat(), first)
    write_picture(explained_beat(), second)
    assert first.read_bytes().startswith(start)
    assert len(first.read_bytes()) > 10_000
    assert first.read_bytes() == second.read_bytes()


def test_a_picture_in_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(OutputError, match=r"can't write the picture .*choose another --out"):
        write_picture(explained_beat(), tmp_path / "no" / "a.png")
