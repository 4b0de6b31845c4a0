"""CSV: layout, names, units, time stamps, missing values, and text where a number belongs."""

import numpy as np
import pytest

from replay.errors import LeadNotFoundError, RecordFormatError
from replay.formats import csv_layout, csv_record
from replay.formats.options import FileOptions
from replay.record import read_samples
from replay.records import open_record

FS = 100
MV = np.round(np.sin(np.arange(300))[:, None] * [1.0, -0.5], 3)
EXPECTED = MV.T.astype(np.float32)


@pytest.fixture
def written(tmp_path):
    """Write lines to a file and open it."""

    def write(lines, **options):
        path = tmp_path / "x.csv"
        content = lines if isinstance(lines, bytes) else "\n".join(lines).encode()
        path.write_bytes(content)
        return open_record(str(path), options=FileOptions(**options))

    return write


def rows(form="{},{}", values=MV, **more):
    return [form.format(a, b, k=k, t=k / FS, **more) for k, (a, b) in enumerate(values.tolist())]


def assert_samples(record, leads=("MLII", "V1"), expected=EXPECTED):
    assert record.leads == leads
    np.testing.assert_array_equal(read_samples(record), expected)


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (["MLII (mV),V1 (mV)"], "{},{}"),
        (["MLII_mV;V1_mV"], "{};{}"),
        (["# MLII/mV\tV1/mV"], "{}\t{}"),
        (["'sample #','MLII','V1'", "'','mV','mV'"], "{k},{},{}"),
        (['"index","MLII [mV]","V1 [mV]","HR [bpm]"'], "{k},{},{},60"),
        (["MLII_mV V1_mV"], " {}   {}"),
    ],
)
def test_layouts(written, header, form):
    assert_samples(written([*header, *rows(form)], fs=FS))


def test_units_are_scaled_and_crlf_and_bom_are_read(written):
    content = "\r\n".join(
        ["MLII (µV),V1 (V)", *(f"{a * 1e3!r},{b / 1e3!r}" for a, b in MV.tolist())]
    )
    record = written(b"\xef\xbb\xbf" + content.encode() + b"\r\n\r\n", fs=FS)
    assert record.n_samples == len(MV)
    np.testing.assert_allclose(read_samples(record), EXPECTED, rtol=1e-6)


def test_decimal_commas(written):
    lines = ["MLII_mV;V1_mV", *(row.replace(".", ",") for row in rows("{};{}"))]
    assert_samples(written(lines, fs=FS))


def test_converter_units_with_gain_and_baseline(written):
    digital = np.rint(MV * 200 + 1024).astype(int)
    lines = ["'sample #','MLII','V1'", *rows("{k},{},{}", digital)]
    expected = ((digital - 1024) / 200).T.astype(np.float32)
    assert_samples(written(lines, fs=FS, units="200(1024)/mV"), expected=expected)


def test_without_a_header_columns_have_numbers_and_may_be_named(written):
    assert_samples(written(rows(), fs=FS, units="mV"), ("lead 1", "lead 2"))
    assert_samples(written(rows(), fs=FS, units="mV", leads=("II", "V5")), ("II", "V5"))
    chosen = written(rows("{k},{},{}"), fs=FS, units="mV", leads=("3", "2"))
    assert_samples(chosen, ("lead 3", "lead 2"), EXPECTED[::-1])
    with pytest.raises(RecordFormatError, match=r"ascends like time; .* --leads 2,3"):
        written(rows("{k},{},{}"), fs=FS, units="mV")


def test_leads_by_name_or_column_of_the_file(written):
    lines = ["time,MLII_mV,V1_mV", *rows("{t},{},{}")]
    assert_samples(written(lines, fs=FS, leads=("v1",)), ("V1",), EXPECTED[1:])
    assert_samples(written(lines, fs=FS, leads=("3",)), ("V1",), EXPECTED[1:])
    with pytest.raises(LeadNotFoundError, match="no lead 'II'"):
        written(lines, fs=FS, leads=("II",))


def test_time_gives_the_rate_and_shows_holes(written, monkeypatch):
    monkeypatch.setattr(csv_layout, "BLOCK_ROWS", 64)
    monkeypatch.setattr(csv_record, "BLOCK_ROWS", 64)
    lines = [
        "time_ms,MLII_mV,V1_mV",
        *(f"{10 * k},{a},{b}" for k, (a, b) in enumerate(MV.tolist())),
    ]
    assert_samples(written(lines))
    record = written([*lines[:101], *lines[151:]])
    assert (record.fs, record.n_samples) == (FS, 300)
    holed = EXPECTED.copy()
    holed[:, 100:150] = np.nan
    assert_samples(record, expected=holed)
    np.testing.assert_array_equal(read_samples(record, 90, 170), holed[:, 90:170])


def test_rounded_time_stamps_are_no_holes(written):
    lines = [
        "time_s,MLII_mV,V1_mV",
        *(f"{k / 360:.3f},{a},{b}" for k, (a, b) in enumerate(MV.tolist())),
    ]
    record = written(lines)
    assert (record.fs, record.n_samples) == (360, 300)
    assert_samples(record)


@pytest.mark.parametrize("missing", ["", "NaN", "-", "null", "inf"])
def test_a_missing_value_is_invalid(written, missing):
    lines = ["MLII_mV,V1_mV", *rows()]
    lines[1 + 7] = f"{missing},{MV[7, 1]}"
    samples = read_samples(written(lines, fs=FS))
    assert not np.isfinite(samples[0, 7])
    assert np.isfinite(samples).sum() == samples.size - 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0.1,saturated", "line 52 has 'saturated' in column 2; expected a number"),
        ("0.1", "line 52 has 1 columns, expected 2"),
        ("0,1,0,2", "line 52 has 4 columns, expected 2"),
    ],
)
def test_text_in_a_row_is_said_with_its_line(written, line, message):
    lines = ["MLII_mV,V1_mV", *rows()]
    lines[51] = line
    with pytest.raises(RecordFormatError, match=message):
        written(lines, fs=FS)


@pytest.mark.parametrize(
    ("lines", "options", "message"),
    [
        (["MLII_mV", "1"], {}, "states no sampling frequency; .*--fs 250"),
        (["MLII", "1"], {"fs": FS}, "states no units; .*--units V, mV or uV"),
        (["MLII", "1"], {"fs": FS, "units": "m"}, "units are 'm'; give V, mV or uV"),
        (["MLII_uV", "1"], {"fs": FS, "units": "mV"}, "says uV, not mV"),
        (["time_s,MLII_mV", "0,1", "0.01,2"], {"fs": 250}, "says 100 Hz, not the 250 Hz given"),
        (["time_s,MLII_mV", "0,1", "0.01,2", "0.01,3"], {}, "time goes back, or stands still"),
        (["time_s,MLII_mV", "0,1", "0.01,2", "9e6,3"], {}, "its times span 104 days"),
        (["time_s,MLII_mV", "0,1", ",2", "0.02,3"], {}, "rows without a time"),
        (["MLII,V1", "1"], {"fs": FS}, "names 2 columns, but its rows have 1"),
        (["MLII", "V1"], {"fs": FS}, "no row of numbers"),
        (["HR (1/min)", "60"], {"fs": FS}, "no column of voltages"),
        ([""], {"fs": FS}, "is empty or no text"),
    ],
)
def test_what_can_not_be_known_is_asked_in_one_line(written, lines, options, message):
    with pytest.raises((RecordFormatError, ValueError), match=message) as caught:
        written(lines, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("factor", [1e3, 1e-3])
def test_units_that_can_not_be_are_refused(written, factor):
    with pytest.raises(RecordFormatError, match="its units are others"):
        written(rows(values=MV * factor), fs=FS, units="mV")
