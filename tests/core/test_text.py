import pytest

from streamer.commands.cli import main
from streamer.core.errors import StreamerError
from streamer.core.text import clean, say


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("", ""),
        ("bed 4, µV", "bed 4, µV"),
        ("\x1b]0;owned\x07", "?]0;owned?"),
        ("a\r\nb\tc\x00\x7f", "a??b?c??"),
        ("\x9b2J\u202e\u2028\ud800", "?2J???"),
        (7, "7"),
    ],
)
def test_what_is_no_letter_is_replaced(raw: object, shown: str) -> None:
    assert clean(raw) == shown


def test_a_person_is_told_on_standard_error_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    say("no \x1b[2J\nsource")
    assert capsys.readouterr() == ("", "no ?[2J?source\n")


def test_lines_of_errors_are_cleaned(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> int:
        raise StreamerError("bed\x1b]0;owned\x07\nannounces too much")

    monkeypatch.setattr("streamer.commands.records.run", fail)
    assert main(["records"]) == 1
    assert capsys.readouterr().err == ("ecg-stream records: bed?]0;owned??announces too much\n")


def test_wrong_usage_is_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["listen", "--for\x1b[2J"])
    assert capsys.readouterr().err.rstrip("\n").isprintable()
