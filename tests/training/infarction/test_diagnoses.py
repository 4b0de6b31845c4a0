import pytest
from twelve_leads import twelve_leads, write_ptb_xl
from wfdb_files import write_wfdb

from replay.errors import RecordFormatError, RecordNotFoundError
from streamer.training.infarction.diagnoses import diagnosed_records

CODES = ["{'NORM': 100.0, 'SR': 0.0}", "{'IMI': 15.0, 'LVH': 50.0}", "{'LVH': 100.0}"]


def found_in(folder):
    return [(one.path.name, one.patient, one.diagnosis) for one in diagnosed_records(str(folder))]


def test_ptb_xl_by_its_statements(tmp_path):
    write_ptb_xl(tmp_path, CODES)
    assert found_in(tmp_path) == [
        ("00001_hr", "101", "healthy"),
        ("00002_hr", "102", "infarction"),
        ("00003_hr", "103", "other"),
    ]


def test_ptb_xl_at_100_hz_where_that_is_what_was_downloaded(tmp_path, monkeypatch):
    write_ptb_xl(tmp_path / "xl", CODES[:1], signals="lr")
    monkeypatch.setenv("ECG_STREAM_DATA", str(tmp_path))
    assert found_in("xl") == [("00001_lr", "101", "healthy")]


def test_ptb_by_the_reason_for_admission(tmp_path):
    reasons = ("Healthy control", "Myocardial infarction", "Cardiomyopathy", "n/a", None)
    for number, reason in enumerate(reasons, start=1):
        folder = tmp_path / f"patient{number:03d}"
        folder.mkdir()
        write_wfdb(twelve_leads("s0001_re", number, is_ill=False), folder)
        if reason is not None:
            with (folder / "s0001_re.hea").open("a", encoding="latin-1") as header:
                header.write(f"# Diagnose:\n# Reason for admission: {reason}\n# für alle\n")
    assert found_in(tmp_path) == [
        ("s0001_re", "patient001", "healthy"),
        ("s0001_re", "patient002", "infarction"),
        ("s0001_re", "patient003", "other"),
    ]


def test_what_is_not_there_or_damaged_is_one_line(tmp_path):
    with pytest.raises(RecordNotFoundError, match=r"no folder 'nowhere': looked in"):
        diagnosed_records("nowhere")
    with pytest.raises(RecordNotFoundError, match="no record with a diagnosis in"):
        diagnosed_records(str(tmp_path))
    write_ptb_xl(tmp_path, ["not a dictionary"])
    with pytest.raises(RecordFormatError, match="not those of PTB-XL"):
        diagnosed_records(str(tmp_path))
    (tmp_path / "scp_statements.csv").unlink()
    with pytest.raises(RecordFormatError, match=r"scp_statements\.csv can't be read"):
        diagnosed_records(str(tmp_path))


@pytest.mark.database
def test_counts_of_the_data_folder(mitdb):
    folder = mitdb.parent / "ptbxl"
    if not folder.is_dir():
        pytest.skip("no ptbxl beside mitdb")
    found = [one.diagnosis for one in diagnosed_records(str(folder))]
    assert (found.count("infarction"), found.count("healthy"), len(found)) == (48, 212, 353)
