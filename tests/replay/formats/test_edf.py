"""EDF and EDF+: the samples, the leads, holes, annotations, and files that are damaged."""

import datetime

import numpy as np
import pytest
from record_files import GAIN, write_edf

from replay.errors import LeadNotFoundError, RecordFormatError
from replay.formats.file_record import LONGEST_DAYS
from replay.formats.options import FileOptions
from replay.record import read_samples
from replay.records import open_record, records_of

FS = 100
DIGITAL = np.arange(2 * 10 * FS).reshape(10 * FS, 2) - 700


def opened(path, **options):
    return open_record(str(path), options=FileOptions(**options))


@pytest.fixture
def edf(tmp_path):
    path = tmp_path / "holter.edf"
    write_edf(path, DIGITAL, FS)
    return path


@pytest.fixture
def plus(tmp_path):
    """With annotations and time stamps."""
    path = tmp_path / "plus.edf"
    notes = [(1.0, "N"), (2.005, "V"), (2.5, "(AFIB"), (3.0, "N"), (4.0, "patient sits")]
    write_edf(path, DIGITAL, FS, notes=notes)
    return path


def stamped(path, onsets):
    """Make an EDF+D of an EDF+C by writing other time stamps, all of the same length."""
    data = path.read_bytes().replace(b"EDF+C", b"EDF+D")
    for second, onset in enumerate(onsets):
        old, new = b"+%d\x14\x14" % second, b"+%d\x14\x14" % onset
        # The list ends in zeros, of which a longer stamp takes one.
        data = data.replace(old + b"\0" * (len(new) - len(old)), new, 1)
    path.write_bytes(data)
    return path


def test_samples_are_those_that_were_written(edf, monkeypatch):
    record = opened(edf)
    assert (record.name, record.fs, record.n_samples) == ("holter", FS, 10 * FS)
    assert record.leads == ("MLII", "V1")
    expected = (DIGITAL / GAIN).T.astype(np.float32)
    np.testing.assert_array_equal(read_samples(record), expected)
    monkeypatch.setattr("replay.record.FILE_BLOCK_SAMPLES", 130)
    cut = [chunk.samples for chunk in record.chunks(37, 881, 50)]
    np.testing.assert_array_equal(np.concatenate(cut, axis=1), expected[:, 37:881])
    assert all(samples.flags.c_contiguous and samples.base is None for samples in cut)


def test_found_by_name_without_extension_and_in_a_folder(edf, monkeypatch):
    assert open_record(str(edf.with_suffix(""))).name == "holter"
    assert records_of(str(edf.parent)) == [str(edf)]
    monkeypatch.setenv("ECG_STREAM_DATA", str(edf.parent.parent))
    assert open_record(f"{edf.parent.name}/holter").fs == FS


def test_ecg_is_told_from_what_else_is_measured_in_volts(tmp_path):
    path = tmp_path / "sleep.edf"
    labels = ("EEG Fpz-Cz", "ECG II", "ECG V5", "EMG chin")
    write_edf(path, np.repeat(DIGITAL, 2, axis=1), FS, leads=labels)
    assert opened(path).leads == ("II", "V5")
    assert opened(path, leads=("v5", "II")).leads == ("V5", "II")
    assert opened(path, leads=("2",)).leads == ("V5",)
    with pytest.raises(LeadNotFoundError, match="no lead 'V1'; choose from II, V5"):
        opened(path, leads=("V1",))


def test_a_hole_is_nan_and_the_samples_after_it_keep_their_time(plus):
    record = opened(stamped(plus, [0, 1, 2, 3, 4, 5, 6, 17, 18, 19]))
    samples = read_samples(record)
    assert record.n_samples == 20 * FS
    assert np.isnan(samples[:, 7 * FS : 17 * FS]).all()
    expected = (DIGITAL / GAIN).T.astype(np.float32)
    np.testing.assert_array_equal(samples[:, : 7 * FS], expected[:, : 7 * FS])
    np.testing.assert_array_equal(samples[:, 17 * FS :], expected[:, 7 * FS :])
    np.testing.assert_array_equal(read_samples(record, 800, 1000), samples[:, 800:1000])


def test_records_that_overlap_are_refused(plus):
    with pytest.raises(RecordFormatError, match="data record 4 begins at 1 s, before the one"):
        opened(stamped(plus, [0, 1, 2, 1, 4, 5, 6, 7, 8, 9]))


def test_beat_annotations_are_the_reference(plus):
    reference = opened(plus).reference()
    assert reference is not None
    assert reference.samples.tolist() == [100, 200, 250, 300, 400]
    assert reference.symbols == ("N", "V", "+", "N", '"')
    assert reference.aux == ("", "", "(AFIB", "", "patient sits")


def test_other_annotations_are_notes(tmp_path):
    path = tmp_path / "notes.edf"
    write_edf(path, DIGITAL, FS, notes=[(1.0, "lies down"), (2.0, "N"), (3.0, "sits")])
    record = opened(path)
    assert record.reference() is None
    assert [note.text for note in record.notes] == ["lies down", "N", "sits"]


def test_a_beat_outside_the_record_is_refused(tmp_path):
    path = tmp_path / "beyond.edf"
    write_edf(path, DIGITAL, FS, notes=[(11.0, "N")])
    with pytest.raises(RecordFormatError, match=r"annotation at 11 s, but lasts 10 s"):
        opened(path).reference()


def test_time_of_the_first_sample(edf):
    data = bytearray(edf.read_bytes())
    data[168:184] = b"05.03.2608.30.00"
    edf.write_bytes(data)
    record = opened(edf)
    assert (record.base_date, record.base_time) == (
        datetime.date(2026, 3, 5),
        datetime.time(8, 30),
    )


def damage(path, at, value):
    data = bytearray(path.read_bytes())
    data[at : at + len(value)] = value
    path.write_bytes(data)
    return path


def test_a_truncated_file_is_refused(edf):
    edf.write_bytes(edf.read_bytes()[:-500])
    with pytest.raises(RecordFormatError, match="truncated: it holds 8 of the 10 data records"):
        opened(edf)


def test_a_recording_that_was_cut_off_is_read_as_far_as_it_goes(edf):
    damage(edf, 236, b"-1      ")
    edf.write_bytes(edf.read_bytes()[:-500])
    assert opened(edf).n_samples == 8 * FS


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (0, b"\xffBIOSEMI", "is BDF"),
        (0, b"RIFF    ", "not an EDF file"),
        (236, b"9       ", "holds 10 data records, but its header says 9"),
        (244, b"nan     ", "has 'nan' for the duration of a data record"),
        (244, b"abc     ", "has 'abc' for the duration of a data record"),
        (244, b"0       ", "holds no signals"),
        (256 + 2 * 96, b"degC    degC    ", "no ECG measured in volts, but MLII in degC"),
        (256 + 2 * 104, b"5       5       5       5       ", "gives MLII no range"),
    ],
)
def test_a_damaged_header_is_said_in_one_line(edf, at, value, message):
    with pytest.raises(RecordFormatError, match=message) as caught:
        opened(damage(edf, at, value))
    assert "\n" not in str(caught.value)


def test_what_the_file_states_is_not_asked(edf):
    assert opened(edf, fs=100.0).fs == FS
    with pytest.raises(RecordFormatError, match="says 100 Hz, not the 250 Hz given"):
        opened(edf, fs=250.0)
    with pytest.raises(RecordFormatError, match="states its units; leave --units out"):
        opened(edf, units="mV")


def test_damaged_time_stamps_do_not_make_an_endless_record(plus):
    onsets = [0, 1, 2, 3, 4, 5, 6, 7, 8, LONGEST_DAYS * 86400 + 10]
    with pytest.raises(RecordFormatError, match="span 60 days"):
        opened(stamped(plus, onsets))
