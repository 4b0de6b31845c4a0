import re
import shutil

import numpy as np
import pytest
import wfdb

from replay.errors import LeadNotFoundError, RecordFormatError
from replay.wfdb_record import WfdbRecord

N = 2000


@pytest.fixture
def digital():
    """Samples of two leads in ADC units."""
    rng = np.random.default_rng(3)
    return rng.integers(-900, 900, size=(N, 2))


def write(folder, digital, name="rec", *, fmt="212", units=("mV", "mV"), leads=("V5", "MLII")):
    wfdb.wrsamp(
        name,
        fs=360,
        units=list(units),
        sig_name=list(leads),
        d_signal=digital,
        fmt=[fmt] * digital.shape[1],
        adc_gain=[200.0] * digital.shape[1],
        baseline=[0] * digital.shape[1],
        write_dir=str(folder),
    )
    return folder / name


def samples_of(record, **arguments):
    chunks = list(record.chunks(size=512, **arguments))
    return np.concatenate([chunk.samples for chunk in chunks], axis=1)


def edit_header(path, old, new, encoding="utf-8"):
    header = path.with_suffix(".hea")
    text = header.read_text()
    assert old in text
    header.write_text(text.replace(old, new), encoding=encoding)


def test_samples_in_mv_with_mlii_first(tmp_path, digital):
    record = WfdbRecord(write(tmp_path, digital), database="mine")
    assert (record.name, record.database, record.fs, record.n_samples) == ("rec", "mine", 360.0, N)
    assert record.leads == ("MLII", "V5")
    samples = samples_of(record)
    assert samples.dtype == np.float32
    assert np.array_equal(samples, (digital[:, ::-1].T / 200).astype(np.float32))


def test_chosen_lead_first_in_any_case(tmp_path, digital):
    path = write(tmp_path, digital)
    assert WfdbRecord(path, lead="v5").leads == ("V5", "MLII")
    with pytest.raises(LeadNotFoundError, match=r"record rec has no lead 'aVF'.*V5, MLII"):
        WfdbRecord(path, lead="aVF")


@pytest.mark.parametrize("size", [1, 7, 64, 5000])
def test_blocks_leave_no_trace(tmp_path, digital, monkeypatch, size):
    monkeypatch.setattr("replay.record.FILE_BLOCK_SAMPLES", 100)
    record = WfdbRecord(write(tmp_path, digital))
    chunks = list(record.chunks(123, 1777, size=size))
    assert [chunk.start for chunk in chunks] == list(range(123, 1777, size))
    assert all(chunk.samples.flags.c_contiguous for chunk in chunks)
    joined = np.concatenate([chunk.samples for chunk in chunks], axis=1)
    assert np.array_equal(joined, (digital[123:1777, ::-1].T / 200).astype(np.float32))


def test_never_reads_more_than_a_block_ahead(tmp_path, digital, monkeypatch):
    monkeypatch.setattr("replay.record.FILE_BLOCK_SAMPLES", 100)
    record = WfdbRecord(write(tmp_path, digital))
    asked = []
    decode = record._decode

    def spy(start, stop, *, physical):
        asked.append((start, stop))
        return decode(start, stop, physical=physical)

    monkeypatch.setattr(record, "_decode", spy)
    chunks = record.chunks(size=10)
    next(chunks)
    assert asked == [(0, 100)]


@pytest.mark.parametrize(("unit", "factor"), [("uV", 1e-3), ("V", 1e3), ("µV", 1e-3), ("mV", 1)])
def test_units_become_mv(tmp_path, digital, unit, factor):
    path = write(tmp_path, digital)
    edit_header(path, "/mV", f"/{unit}")
    assert np.allclose(samples_of(WfdbRecord(path))[0], digital[:, 1] / 200 * factor)


def test_micro_sign_in_latin_1(tmp_path, digital):
    path = write(tmp_path, digital)
    edit_header(path, "/mV", "/µV", encoding="latin-1")
    assert np.abs(samples_of(WfdbRecord(path))).max() < 0.01


def test_signals_that_are_not_voltages_are_no_leads(tmp_path, digital):
    path = write(tmp_path, digital, units=("mmHg", "mV"), leads=("ABP", "II"))
    record = WfdbRecord(path)
    assert record.leads == ("II",)
    assert np.array_equal(samples_of(record)[0], (digital[:, 1] / 200).astype(np.float32))
    other = write(tmp_path, digital, "none", units=("mmHg", "bpm"), leads=("ABP", "HR"))
    with pytest.raises(RecordFormatError, match="no signal measured in volts"):
        WfdbRecord(other)


def test_invalid_samples_are_nan(tmp_path, digital):
    digital[100, 1] = -2048
    samples = samples_of(WfdbRecord(write(tmp_path, digital)))
    assert np.flatnonzero(np.isnan(samples[0])).tolist() == [100]
    assert not np.isnan(samples[1]).any()


def test_length_is_derived_where_the_header_has_none(tmp_path, digital):
    path = write(tmp_path, digital)
    edit_header(path, f"rec 2 360 {N}", "rec 2 360")
    record = WfdbRecord(path)
    assert record.n_samples == N
    assert np.array_equal(samples_of(record)[1], (digital[:, 0] / 200).astype(np.float32))


def test_several_samples_per_frame_are_averaged(tmp_path):
    frames = np.arange(900).reshape(300, 3)  # lead A has two samples a frame, lead B one
    frames.astype("<i2").tofile(tmp_path / "multi.dat")
    (tmp_path / "multi.hea").write_text(
        "multi 2 250 300\nmulti.dat 16x2 200/mV 16 0 0 0 0 A\nmulti.dat 16 200/mV 16 0 2 0 0 B\n"
    )
    samples = samples_of(WfdbRecord(tmp_path / "multi"))
    assert samples.shape == (2, 300)
    assert np.allclose(samples[0], frames[:, :2].mean(axis=1) / 200, atol=1 / 200)
    assert np.allclose(samples[1], frames[:, 2] / 200)


@pytest.mark.parametrize("fmt", ["212", "16"])
def test_truncated_data_is_one_clear_line(tmp_path, digital, fmt):
    path = write(tmp_path, digital, fmt=fmt)
    data = path.with_suffix(".dat").read_bytes()
    path.with_suffix(".dat").write_bytes(data[:-1])
    with pytest.raises(RecordFormatError) as caught:
        WfdbRecord(path)
    message = str(caught.value)
    assert f"rec.dat is truncated: {len(data) - 1} bytes, but the header asks for" in message
    assert f"{len(data)}; fetch the record again" in message
    assert "\n" not in message


def test_much_too_long_data_is_refused(tmp_path, digital):
    path = write(tmp_path, digital)
    edit_header(path, f"rec 2 360 {N}", "rec 2 360 1000")
    with pytest.raises(RecordFormatError, match="not of the same record"):
        WfdbRecord(path)


def test_data_of_another_record_is_refused(tmp_path, digital):
    path = write(tmp_path, digital)
    write(tmp_path, digital + 1, "other")
    shutil.copy(tmp_path / "other.dat", tmp_path / "rec.dat")
    with pytest.raises(RecordFormatError, match=r"lead MLII starts with .* but its header says"):
        WfdbRecord(path)


def test_a_record_cut_without_a_checksum_is_read(tmp_path, digital):
    path = write(tmp_path, digital)
    write(tmp_path, digital + 1, "other")
    shutil.copy(tmp_path / "other.dat", tmp_path / "rec.dat")
    header = path.with_suffix(".hea")
    # Format, gain, resolution, zero, first value, checksum, block size
    signal = re.compile(r"(\S+ \S+ \S+ \S+ \S+ \S+) -?\d+ 0 (MLII|V5)")
    header.write_text(signal.sub(r"\1 0 0 \2", header.read_text()))
    assert WfdbRecord(path).n_samples == N


def test_missing_data_file(tmp_path, digital):
    path = write(tmp_path, digital)
    path.with_suffix(".dat").unlink()
    with pytest.raises(RecordFormatError, match=r"rec.dat can't be read \(No such file"):
        WfdbRecord(path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "hello\n",
        "rec 2 360 2000\nrec.dat 212 200\n",
        "rec 0 360 2000\n",
        "rec 2 0 2000\nrec.dat 212 200\nrec.dat 212 200\n",
        "<html>\n<body>Log in</body></html>\n",
        "rec 1 360 10\nrec.dat 999 200 11 0 0 0 0 MLII\n",
    ],
)
def test_header_that_is_none_is_one_clear_line(tmp_path, digital, text):
    path = write(tmp_path, digital)
    path.with_suffix(".hea").write_text(text)
    with pytest.raises(RecordFormatError) as caught:
        WfdbRecord(path)
    assert "\n" not in str(caught.value)


def test_segmented_record_names_its_segments(tmp_path, digital):
    write(tmp_path, digital, "seg1")
    write(tmp_path, digital, "seg2")
    (tmp_path / "long.hea").write_text(f"long/2 2 360 {2 * N}\nseg1 {N}\nseg2 {N}\n")
    with pytest.raises(RecordFormatError, match="choose one of: seg1, seg2"):
        WfdbRecord(tmp_path / "long")


def test_leads_without_or_with_the_same_name_stay_apart(tmp_path, digital):
    path = write(tmp_path, digital, leads=("A", "B"))
    edit_header(path, " B", " A")
    assert WfdbRecord(path).leads == ("A", "A (1)")
    edit_header(path, " A", "")
    assert WfdbRecord(path).leads == ("signal 0", "signal 1")


def annotate(folder, samples, symbols, aux, extension="atr"):
    wfdb.wrann(
        "rec",
        extension,
        np.array(samples),
        symbol=symbols,
        aux_note=aux,
        write_dir=str(folder),
    )


def test_reference(tmp_path, digital):
    path = write(tmp_path, digital)
    assert WfdbRecord(path).reference() is None
    annotate(tmp_path, [10, 400, 800], ["+", "N", "V"], ["(N", "", ""])
    annotate(tmp_path, [5], ["N"], [""], "qrs")
    reference = WfdbRecord(path).reference()
    assert reference.samples.tolist() == [10, 400, 800]
    assert reference.samples.dtype == np.int64
    assert reference.symbols == ("+", "N", "V")
    assert reference.aux == ("(N", "", "")
    assert WfdbRecord(path, annotator="qrs").reference().samples.tolist() == [5]


def test_reference_of_another_record_is_refused(tmp_path, digital):
    path = write(tmp_path, digital)
    annotate(tmp_path, [10, N + 5], ["N", "N"], ["", ""])
    with pytest.raises(RecordFormatError, match=f"annotation at sample {N + 5}.*only {N}"):
        WfdbRecord(path).reference()


def test_damaged_reference(tmp_path, digital):
    path = write(tmp_path, digital)
    path.with_suffix(".atr").write_bytes(b"<html>no annotations here</html>")
    with pytest.raises(RecordFormatError, match=r"rec\.atr"):
        WfdbRecord(path).reference()


@pytest.mark.database
@pytest.mark.parametrize(
    ("name", "leads"),
    [
        ("100", ("MLII", "V5")),
        ("114", ("MLII", "V5")),
        ("102", ("V5", "V2")),
        ("208", ("MLII", "V1")),
    ],
)
def test_real_leads(mitdb, name, leads):
    assert WfdbRecord(mitdb / name).leads == leads


@pytest.mark.database
def test_real_record_equals_one_read_of_wfdb(mitdb):
    record = WfdbRecord(mitdb / "114", database="mitdb")
    whole = wfdb.rdrecord(str(mitdb / "114"), channel_names=["MLII"]).p_signal[:, 0]
    assert np.array_equal(samples_of(record)[0], whole.astype(np.float32))
    reference = record.reference()
    assert len(reference.samples) == len(reference.symbols) == len(reference.aux) == 1890
    assert reference.aux[0] == "(N"


@pytest.mark.database
def test_every_real_record_agrees_with_its_header(mitdb):
    headers = sorted(mitdb.glob("*.hea"))
    assert len(headers) == 48
    for header in headers[::6]:
        stated = wfdb.rdheader(str(header.with_suffix("")))
        found = WfdbRecord(header.with_suffix(""))
        assert (set(found.leads), found.n_samples) == (set(stated.sig_name), stated.sig_len)


@pytest.mark.database
def test_128_hz_record(svdb):
    record = WfdbRecord(svdb / "800")
    assert (record.fs, record.leads, record.n_samples) == (128.0, ("ECG1", "ECG2"), 230_400)
