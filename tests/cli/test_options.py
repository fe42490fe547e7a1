"""The options that several commands share."""

from pathlib import Path

import pytest

from fer_fast.cli.main import build_parser
from fer_fast.cli.options import read_settings
from fer_fast.settings import Settings


def settings_of(*arguments):
    return read_settings(build_parser().parse_args(list(map(str, arguments))))


@pytest.mark.parametrize("command", ["pipeline", "extract", "export", "audit"])
def test_every_command_asks_for_the_same_features(command):
    given = (
        *("--preset", "paper", "--data", "faces.csv", "--weights", "w.h5", "--size", 96),
        *("--taps", "out_relu", "Conv1_relu", "--pooling", "global", "--equalise"),
        *("--head", "dense", "--head-epochs", 3, "--device", "cpu", "--precision", "fp32"),
        *("--batch-size", 7),
    )
    settings = settings_of(command, *given)
    assert settings.data == Path("faces.csv")
    assert (settings.size, settings.taps) == (96, ("out_relu", "Conv1_relu"))
    assert settings.equalise
    assert settings == settings_of("pipeline", *given)


@pytest.mark.parametrize("command", ["extract", "export", "audit"])
def test_where_a_command_writes_is_no_setting_of_a_run(command):
    assert settings_of(command, "--out", "file") == Settings()


def test_an_option_overrides_a_file_which_overrides_a_preset(tmp_path):
    file = tmp_path / "some.toml"
    file.write_text("[backbone]\nsize = 64\nequalise = true\n[forest]\ntrees = 5\n")
    given = ("pipeline", "--preset", "best", "--config", file, "--trees", 6)
    settings = settings_of(*given)
    assert (settings.head, settings.size, settings.trees) == ("dense", 64, 6)
    assert settings.equalise
    assert not settings_of(*given, "--no-equalise").equalise


def test_mirror_is_off_unless_asked_for(tmp_path):
    file = tmp_path / "some.toml"
    file.write_text("[balance]\nmirror = true\n")
    assert not settings_of("pipeline").mirror
    assert settings_of("pipeline", "--mirror").mirror
    assert settings_of("pipeline", "--config", file).mirror
    assert not settings_of("pipeline", "--config", file, "--no-mirror").mirror


@pytest.mark.parametrize("option", ["--data", "--weights", "--config", "--out"])
def test_a_tilde_is_the_home_folder(monkeypatch, option):
    # As in --data=~/faces.csv, which the shell leaves alone.
    monkeypatch.setenv("HOME", "/home/someone")
    parsed = build_parser().parse_args(["pipeline", f"{option}=~/faces.csv"])
    assert getattr(parsed, option[2:]) == Path("/home/someone/faces.csv")


def test_the_votes_of_an_audit_may_lie_in_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    parsed = build_parser().parse_args(["audit", "--ferplus=~/votes.csv"])
    assert parsed.ferplus == Path("/home/someone/votes.csv")


def test_help_keeps_the_brackets_that_a_person_must_type(capsys):
    parser = build_parser()
    parser.add_argument("--extra", help="install 'fer-fast[train]' [bold]first[/bold]")
    parser.print_help()
    assert "'fer-fast[train]' [bold]first[/bold]" in capsys.readouterr().out
