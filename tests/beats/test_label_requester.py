import dataclasses

import numpy as np
import pytest
from beat_windows import AFTER, bump, make_beat

from classifier.inputs.features import FEATURE_NAMES, N_NEXT
from classifier.labels import Label
from classifier.network.spec import own_spec
from streamer.beats.label_request import LabelRequest, compute_probabilities, label_beats
from streamer.beats.label_requester import LabelingConfig, LabelRequester
from streamer.core.errors import SnapshotError, StageClosedError
from streamer.core.events import Gap, GapReason, LabeledBeat, Tick

TIMEOUT = 720


class EarlyIsV:
    """Calls a beat V if it came early, S if its successor came late, else N."""

    spec = own_spec(quality_min=0.3)

    def __init__(self):
        self.embedded, self.seen = [], []

    def embed(self, signal):
        self.embedded.append(signal.copy())
        return np.cumsum(signal, axis=2)[:, :, -1]

    def decide(self, embedding, features):
        self.seen.append((embedding.copy(), features.copy()))
        named = dict(zip(FEATURE_NAMES, features[0], strict=True))
        scores = np.zeros((len(features), 4), np.float32)
        if named["rr_to_median_40"] < -0.2:
            scores[:, 2] = 1
        elif named["next_rr_to_median_40"] > 0.2:
            scores[:, 1] = 1
        else:
            scores[:, 0] = 1
        return scores


def beats(samples):
    made, intervals = [], []
    for before, sample in zip([None, *samples], samples, strict=False):
        if before is not None:
            intervals.append((sample - before) / 360)
        made.append(make_beat(sample, intervals[-10:]))
    return made


class LabelledAtOnce(LabelRequester):
    """Has each label worked out as soon as it is requested, as `Chain.push` does."""

    def __init__(self, model, config):
        super().__init__(model.spec, config)
        self.model = model

    def push(self, item):
        return self._labelled(super().push(item))

    def flush(self):
        return self._labelled(super().flush())

    def _labelled(self, steps):
        return [
            label_beats(self.model, [step])[0] if isinstance(step, LabelRequest) else step
            for step in steps
        ]


def make(**config):
    return LabelledAtOnce(EarlyIsV(), LabelingConfig(**config))


def run(stage, items):
    return [out for item in items for out in stage.push(item)] + stage.flush()


def facts(events):
    return [
        (type(e).__name__, e.decided_at)
        + (
            (e.beat.rpeak.sample, e.revision, e.label, e.reason, e.probabilities)
            if isinstance(e, LabeledBeat)
            else (e.start, e.stop)
        )
        for e in events
    ]


def short(events):
    return [(e.beat.rpeak.sample, e.revision, str(e.label), e.decided_at) for e in events]


def test_each_beat_is_labelled_at_once_and_again_with_the_next():
    found = run(make(), beats([1000, 1300, 1600]))
    assert short(found) == [
        (1000, 0, "N", 1127),
        (1000, 1, "N", 1427),
        (1300, 0, "N", 1427),
        (1300, 1, "N", 1727),
        (1600, 0, "N", 1727),
        (1600, 1, "N", 1727),
    ]


def test_the_next_interval_changes_only_the_confirmed_label():
    found = run(make(), beats([1000, 1300, 1600, 1900, 2350]))
    labels = {(e.beat.rpeak.sample, e.revision): e.label for e in found}
    assert labels[1900, 0] is Label.N
    assert labels[1900, 1] is Label.S


def test_no_provisional_label_sees_the_next_beat():
    stage = make()
    run(stage, beats([1000, 1300, 1500, 1900]))
    provisional = [features[0] for _, features in stage.model.seen if not features[0, -N_NEXT]]
    assert len(provisional) == 5  # four, and the last beat's label confirmed at the end
    assert not any(features[-N_NEXT:].any() for features in provisional)


def test_changing_the_future_changes_no_label_already_out():
    items = beats([1000, 1300, 1600, 1900])
    other = [*items[:3], make_beat(1750, [0.8, 0.8, 150 / 360], window=bump(0, 0.06, -2))]
    one, two = make(), make()
    first = [facts(one.push(item)) for item in items[:3]]
    second = [facts(two.push(item)) for item in other[:3]]
    assert first == second
    assert facts(one.push(items[3])[1:]) != facts(two.push(other[3])[1:])


def test_a_lone_beat_is_confirmed_when_its_time_is_out():
    stage = make()
    stage.push(make_beat(1000))
    assert stage.push(Tick(sample=1000 + TIMEOUT - 1)) == []
    (confirmed,) = stage.push(Tick(sample=1000 + TIMEOUT))
    assert (confirmed.revision, confirmed.decided_at) == (1, 1000 + TIMEOUT)
    assert stage.push(Tick(sample=5000)) == []
    assert stage.flush() == []


def test_ticks_may_come_late_or_often():
    items = beats([1000, 1300, 2500, 2800, 4000])
    rare = run(make(), [*items, Tick(sample=6000)])
    stage, often = make(), []
    due = {item.decided_at: item for item in items}
    for sample in range(900, 6001):
        if sample in due:
            often += stage.push(due[sample])
        often += stage.push(Tick(sample=sample))
    often += stage.flush()
    assert facts(rare) == facts(often)
    times = [event.decided_at for event in rare]
    assert times == sorted(times)


def test_a_next_beat_at_the_very_end_of_the_time_still_counts():
    late = make_beat(1000 + TIMEOUT - AFTER, [(TIMEOUT - AFTER) / 360])
    stage = make()
    stage.push(make_beat(1000))
    confirmed, provisional = stage.push(late)
    assert confirmed.decided_at == provisional.decided_at == 1000 + TIMEOUT
    assert stage.model.seen[1][1][0, -N_NEXT] == 1


def test_a_beat_found_late_by_search_back_is_not_confirmed_before_it_is_known():
    stage = make()
    (provisional,) = stage.push(make_beat(1000, decided_at=1900))
    (confirmed,) = stage.push(Tick(sample=1900))
    assert provisional.decided_at == confirmed.decided_at == 1900


def test_a_gap_confirms_the_open_beat_and_passes_on():
    gap = Gap(start=1200, stop=1500, reason=GapReason.FLAT, decided_at=1499)
    stage = make()
    stage.push(make_beat(1000))
    confirmed, passed = stage.push(gap)
    assert (confirmed.revision, confirmed.decided_at) == (1, 1499)
    assert passed is gap
    assert stage.push(gap) == [gap]


def test_the_end_confirms_at_the_last_time_known():
    stage = make()
    stage.push(make_beat(1000))
    stage.push(Tick(sample=1200))
    (confirmed,) = stage.flush()
    assert confirmed.decided_at == 1200


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quality": 0.1}, "noise"),
        ({"window": np.full(256, np.nan)}, "missing samples"),
        ({"window": np.zeros(256)}, "flat"),
    ],
)
def test_what_cannot_be_judged_is_q_with_a_reason(change, reason):
    found = run(make(), [make_beat(1000, **change), make_beat(1300, [300 / 360])])
    first = [e for e in found if e.beat.rpeak.sample == 1000]
    assert [(e.label, e.reason) for e in first] == [(Label.Q, reason)] * 2
    assert all(len(e.probabilities) == 4 for e in first)
    assert found[2].label is Label.N


def test_the_gate_is_the_model_s_unless_configured():
    doubtful = make_beat(1000, quality=0.4)
    assert make().push(doubtful)[0].label is Label.N
    assert make(quality_min=0.5).push(doubtful)[0].label is Label.Q


def test_noise_teaches_nothing():
    clean, noisy = make(), make()
    for stage in (clean, noisy):
        for item in beats([1000, 1300]):
            stage.push(item)
    noisy.push(make_beat(1450, [150 / 360], quality=0.0, window=bump(0, 0.1, -3)))
    before, after = clean.snapshot().state["patient"], noisy.snapshot().state["patient"]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_snapshot_continues_bit_for_bit_and_can_be_used_twice():
    items = beats([1000, 1300, 1500, 1900, 2200, 2500])
    whole = make()
    expected = facts(run(whole, items))
    stage = make()
    done = facts([out for item in items[:3] for out in stage.push(item)])
    saved = stage.snapshot()
    for _ in range(2):
        other = make()
        other.push(make_beat(5))
        other.restore(saved)
        assert done + facts(run(other, items[3:])) == expected


def test_the_network_looks_at_each_beat_once():
    stage = make()
    found = run(stage, beats([1000, 1300, 1500, 1900]))
    model = stage.model
    assert (len(model.embedded), len(model.seen)) == (4, len(found)) == (4, 8)
    embeddings = {
        (e.beat.rpeak.sample, e.revision): s[0] for e, s in zip(found, model.seen, strict=True)
    }
    for sample in (1000, 1300, 1500, 1900):
        assert np.array_equal(embeddings[sample, 0], embeddings[sample, 1])


def test_a_beat_after_a_gap_is_looked_at_anew():
    stage = make()
    stage.push(make_beat(1000))
    stage.push(Gap(start=1200, stop=1500, reason=GapReason.FLAT, decided_at=1499))
    stage.push(make_beat(2000))
    stage.flush()
    assert (len(stage.model.embedded), len(stage.model.seen)) == (2, 4)


def test_between_both_answers_a_snapshot_carries_what_the_network_saw():
    items = beats([1000, 1300, 1500, 1900])
    stage = make()
    for item in items[:3]:
        stage.push(item)
    other = make()
    other.restore(stage.snapshot())
    other.push(items[3])
    assert len(other.model.embedded) == 1  # the newest beat alone
    assert np.array_equal(other.model.seen[0][0], stage.model.seen[-1][0])


def test_a_snapshot_before_the_first_answer_carries_the_signal():
    first, second = LabelRequester(EarlyIsV.spec), LabelRequester(EarlyIsV.spec)
    (request,) = first.push(make_beat(1000))
    second.restore(first.snapshot())
    (confirmed,) = second.flush()
    assert np.array_equal(confirmed.inputs.signal, request.inputs.signal)
    model = EarlyIsV()
    assert np.array_equal(
        compute_probabilities(model, [request]), compute_probabilities(model, [confirmed])
    )
    assert len(model.embedded) == 2


def test_both_requests_of_a_beat_in_one_batch_are_embedded_once():
    requester, model = LabelRequester(EarlyIsV.spec), EarlyIsV()
    requests = [r for item in beats([1000, 1300]) for r in requester.push(item)]
    found = label_beats(model, requests + requester.flush())
    assert [signal.shape for signal in model.embedded] == [(2, 2, 256)]
    assert [(e.beat.rpeak.sample, e.revision) for e in found] == [
        (1000, 0),
        (1000, 1),
        (1300, 0),
        (1300, 1),
    ]


def test_what_the_network_saw_takes_the_place_of_the_signal():
    requester, model = LabelRequester(EarlyIsV.spec), EarlyIsV()
    (request,) = requester.push(make_beat(1000))
    with pytest.raises(ValueError, match="not embedded yet"):
        _ = request.inputs.embedding
    compute_probabilities(model, [request])
    assert request.inputs.embedding.shape == (2,)
    with pytest.raises(ValueError, match="no longer kept"):
        _ = request.inputs.signal


def test_a_beat_that_waits_takes_little_room():
    stage = make()
    stage.push(make_beat(1000))
    inputs = stage._unconfirmed.inputs
    arrays = (inputs.features, inputs.kept, inputs.embedding)
    assert inputs.is_embedded
    assert sum(array.nbytes for array in arrays) < 1_000
    assert inputs.embedding.base is None, "it holds no batch"


def test_a_snapshot_of_another_network_is_refused():
    taken = LabelRequester(own_spec(sha256="0123456789abcdef")).snapshot()
    with pytest.raises(
        SnapshotError, match=r"0123456789ab\.\.\., this one is without a file; .*anew"
    ):
        LabelRequester(EarlyIsV.spec).restore(taken)


def test_a_foreign_snapshot_is_refused():
    foreign = dataclasses.replace(make().snapshot(), stage="Other")
    with pytest.raises(SnapshotError, match="start the stage anew"):
        make().restore(foreign)


def test_reset_equals_new_and_state_is_carried():
    items = beats([1000, 1300, 1500, 1900])
    stage = make()
    first = facts(run(stage, items))
    with pytest.raises(StageClosedError, match="reset"):
        stage.push(items[0])
    stage.reset()
    assert facts(run(stage, items)) == first
    carried = make()
    for item in items:
        carried.push(item)
    shifted = [
        dataclasses.replace(
            item,
            rpeak=dataclasses.replace(item.rpeak, sample=item.rpeak.sample + 2000),
            decided_at=item.decided_at + 2000,
        )
        for item in items
    ]
    carried.push(shifted[0])
    early = [e for e in carried.push(shifted[1]) if e.revision == 0]
    assert early[0].beat is shifted[1]
    assert carried._patient.state()["n_rr"][0] > 3


def test_windows_are_left_alone():
    item = make_beat(1000)
    before = item.window.copy()
    run(make(), [item])
    assert np.array_equal(item.window, before)
