"""The sink that writes labels while a source plays."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from classifier.labels import Label
from streamer.core.errors import OutputError
from streamer.core.events import (
    Beat,
    Gap,
    GapReason,
    LabeledBeat,
    Published,
    RPeak,
    StreamInfo,
)
from streamer.sinks.annotations import AnnotationSink

INFO = StreamInfo(
    source="demo.1",
    fs=360.0,
    leads=("MLII",),
    first_sample=0,
    n_samples=None,
    training_record=False,
    started_at=0.0,
)


def published(sample: int, label: Label | None, revision: int) -> Published:
    rpeak = RPeak(
        sample=sample, amplitude_mv=1.0, decided_at=sample, search_back=False, quality=1.0
    )
    beat = Beat(
        rpeak=rpeak,
        window_start=sample - 128,
        window=np.zeros((1, 256), np.float32),
        rr_s=np.zeros(0, np.float32),
        decided_at=sample,
    )
    event = LabeledBeat(
        beat=beat,
        label=label,
        probabilities=(),
        revision=revision,
        decided_at=sample,
        late=label is None,
    )
    return Published(seq=0, event=event, compute_ms=1.0)


MESSAGES = (
    published(300, Label.N, 0),
    published(300, Label.S, 1),
    published(600, None, 0),
    Published(
        seq=0,
        event=Gap(start=700, stop=900, reason=GapReason.FLAT, decided_at=900),
        compute_ms=0.0,
    ),
    published(600, Label.V, 1),
)


@pytest.mark.parametrize(
    ("which", "symbols"), [("confirmed", ["S", "V"]), ("provisional", ["N", "Q"])]
)
async def test_one_annotation_a_beat(tmp_path: Path, which: str, symbols: list[str]) -> None:
    sink = AnnotationSink(tmp_path / "new", "mine", which)
    sink.open(INFO)
    await sink.start()
    for message in MESSAGES:
        sink.publish(INFO, message)
    await sink.drain()
    before_close = (tmp_path / "new" / "demo.1.mine").read_bytes()
    await sink.close()
    await sink.close()
    read = wfdb.rdann(str(tmp_path / "new" / "demo.1"), "mine")
    assert (read.sample.tolist(), read.symbol, read.fs) == ([300, 600], symbols, 360)
    assert (tmp_path / "new" / "demo.1.mine").read_bytes() == before_close


def test_unwritable_folder_fails_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="choose a folder that can be written"):
        AnnotationSink(tmp_path / "file").open(INFO)


def test_publishing_before_the_source_is_open_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="open the source"):
        AnnotationSink(tmp_path).publish(INFO, published(1, Label.N, 1))


def test_unknown_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="choose one of provisional, confirmed"):
        AnnotationSink(tmp_path, which="final")
