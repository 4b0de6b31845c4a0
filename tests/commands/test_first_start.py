import pytest

from classifier.first_start import announce_compiling, listen_for_compiling
from streamer.commands.cli import main
from streamer.commands.first_start import FirstStartNotice, first_start_told


def test_whoever_listens_hears_of_each_kernel_until_the_end() -> None:
    heard: list[bool] = []
    with listen_for_compiling(heard.append):
        announce_compiling(True)
        announce_compiling(True)
    announce_compiling(True)
    assert len(heard) == 2


def test_the_notice_comes_once_after_a_second_of_compiling() -> None:
    now_s, said = [0.0], list[str]()
    notice = FirstStartNotice(said.append, lambda: now_s[0])
    for at_s in (100.0, 100.5, 101.0):
        now_s[0] = at_s
        notice(True)
    assert not said
    for at_s in (101.1, 102.0):
        now_s[0] = at_s
        notice(True)
    (line,) = said
    assert line.startswith("compiling the signal path, once after installation")


def test_the_notice_says_what_to_do_where_nothing_can_be_kept() -> None:
    now_s, said = [0.0], list[str]()
    notice = FirstStartNotice(said.append, lambda: now_s[0])
    for now_s[0] in (0.0, 2.0):
        notice(False)
    (line,) = said
    assert "every start" in line
    assert "NUMBA_CACHE_DIR" in line


def test_nothing_is_said_when_nothing_is_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    with first_start_told():
        pass
    assert capsys.readouterr() == ("", "")


def test_after_a_warm_up_nothing_is_left_to_compile(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warm-up"]) == 0
    assert capsys.readouterr().out == "the signal path is compiled\n"
    heard: list[bool] = []
    with listen_for_compiling(heard.append):
        assert main(["warm-up"]) == 0
    assert not heard
