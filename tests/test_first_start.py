import pytest

from classifier.first_start import announce_compiling, listen_for_compiling
from streamer.cli import main
from streamer.first_start import FirstStartNotice, first_start_told


def test_whoever_listens_hears_of_each_kernel_until_the_end() -> None:
    heard = []
    with listen_for_compiling(lambda: heard.append("kernel")):
        announce_compiling()
        announce_compiling()
    announce_compiling()
    assert len(heard) == 2


def test_the_notice_comes_once_after_a_second_of_compiling() -> None:
    now_s, said = [0.0], []
    notice = FirstStartNotice(said.append, lambda: now_s[0])
    for at_s in (100.0, 100.5, 101.0):
        now_s[0] = at_s
        notice()
    assert not said
    for at_s in (101.1, 102.0):
        now_s[0] = at_s
        notice()
    (line,) = said
    assert line.startswith("compiling the signal path, once after installation")


def test_nothing_is_said_when_nothing_is_compiled(capsys: pytest.CaptureFixture[str]) -> None:
    with first_start_told():
        pass
    assert capsys.readouterr() == ("", "")


def test_after_a_warm_up_nothing_is_left_to_compile(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warm-up"]) == 0
    assert capsys.readouterr().out == "the signal path is compiled\n"
    heard = []
    with listen_for_compiling(lambda: heard.append("kernel")):
        assert main(["warm-up"]) == 0
    assert not heard
