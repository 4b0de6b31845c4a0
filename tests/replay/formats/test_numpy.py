"""NumPy: shapes, types, what a .npz file states, and what is no array of samples."""

import numpy as np
import pytest

from replay.errors import RecordFormatError
from replay.formats.options import FileOptions
from replay.record import read_samples
from replay.records import open_record

FS = 100
MV = np.round(np.sin(np.arange(300))[:, None] * [1.0, -0.5], 3)
EXPECTED = MV.T.astype(np.float32)


def opened(path, **options):
    return open_record(str(path), options=FileOptions(**options))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_npy(tmp_path, order, dtype):
    path = tmp_path / "x.npy"
    np.save(path, np.asarray(MV, dtype=dtype, order=order))
    record = opened(path, fs=FS, units="mV", leads=("MLII", "V1"))
    assert (record.fs, record.leads) == (FS, ("MLII", "V1"))
    np.testing.assert_array_equal(read_samples(record), EXPECTED)


def test_one_lead_and_converter_units(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.rint(MV[:, 0] * 200 + 1024).astype(np.uint16))
    record = opened(path, fs=FS, units="200(1024)/mV")
    expected = (np.rint(MV[:, :1] * 200) / 200).T.astype(np.float32)
    np.testing.assert_array_equal(read_samples(record), expected)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_states_what_belongs_to_it(tmp_path, save, order):
    path = tmp_path / "x.npz"
    samples = np.asarray(MV * 1000, order=order)
    save(path, samples=samples, fs=250, units="uV", leads=np.array(["MLII", "V1"]))
    record = opened(path)
    assert (record.fs, record.leads) == (250, ("MLII", "V1"))
    np.testing.assert_allclose(read_samples(record, 100, 200), EXPECTED[:, 100:200], rtol=1e-6)


def test_nan_stays(tmp_path):
    samples = MV.copy()
    samples[50:60, 0] = np.nan
    np.save(tmp_path / "x.npy", samples)
    read = read_samples(opened(tmp_path / "x.npy", fs=FS, units="mV"))
    assert np.isnan(read[0, 50:60]).all()
    assert np.isnan(read).sum() == 10


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ({"x": MV.T}, {"units": "mV", "fs": FS}, r"shape \(2, 300\); .*save the transpose"),
        ({"x": MV.astype(str)}, {"units": "mV", "fs": FS}, "expected numbers"),
        ({"x": MV}, {"units": "mV"}, "states no sampling frequency"),
        ({"x": MV}, {"fs": FS}, "states no units"),
        ({"x": MV, "y": MV}, {"units": "mV", "fs": FS}, r"call the array .* 'samples'"),
        ({"x": MV, "fs": 100, "units": "mV"}, {"fs": 360}, "says 100 Hz, not the 360 Hz"),
        ({"x": MV, "fs": 100, "units": "mV"}, {"units": "uV"}, "says mV, not uV"),
        ({"x": MV, "fs": [1, 2], "units": "mV"}, {}, "for fs; save one number"),
        ({"x": MV, "fs": 100, "units": "mV", "leads": ["I"]}, {}, "names 1 leads but has 2"),
        ({"x": np.array([MV, None], object)}, {"units": "mV", "fs": FS}, "can't be read"),
        ({"x": MV}, {"units": "V", "fs": FS}, "its units are others"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(tmp_path, arrays, options, message):
    np.savez(tmp_path / "x.npz", **{name: np.asarray(array) for name, array in arrays.items()})
    with pytest.raises(RecordFormatError, match=message) as caught:
        opened(tmp_path / "x.npz", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x.npy", "x.npz"])
def test_a_file_that_is_no_array_is_said(tmp_path, name):
    (tmp_path / name).write_bytes(b"no array" * 20)
    with pytest.raises(RecordFormatError, match="can't be read"):
        opened(tmp_path / name, fs=FS, units="mV")
