import os
import subprocess
import sys

import pytest
import torch

from service.keys import read_keys
from service.settings import Settings, SettingsError, cores, defaults, read_settings, unknown_variables, variables
from tests.support import ROOT


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_defaults_need_no_environment() -> None:
    """Without any variable every setting has a value, and each that --help tells is one."""
    assert set(defaults()) == set(variables())
    assert Settings().models == ("mlp", "cnn", "lenet5")


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """DIGITVOTE_MODELS is names with commas between them; spaces do not count, an empty variable is the default."""
    monkeypatch.setenv("DIGITVOTE_MODELS", "cnn, mlp")
    monkeypatch.setenv("DIGITVOTE_PORT", "")
    assert read_settings().models == ("cnn", "mlp")
    assert read_settings().port == 8000


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("DIGITVOTE_PORT", "abc", "valid integer"),
        ("DIGITVOTE_PORT", "70000", "less than or equal to 65535"),
        ("DIGITVOTE_DEVICE", "tpu", "'auto', 'cpu' or 'cuda'"),
        ("DIGITVOTE_RULE", "best", "'weighted', 'mean' or 'majority'"),
        ("DIGITVOTE_MODELS", "cnn,../etc", "entry 2: this is not how it is written"),
        ("DIGITVOTE_MODELS", "mlp,mlp,cnn", "a name stands there twice"),
        ("DIGITVOTE_MODELS", "mlp,gate,cnn", "gate does not vote"),
        ("DIGITVOTE_REJECT", "maybe", "'off', 'balanced' or 'strict'"),
        ("DIGITVOTE_QUORUM", "4", "are 3"),
        ("DIGITVOTE_HELD_BYTES", "1024", "less than one body"),
        ("DIGITVOTE_HOSTS", "a.example,http://a.example", "entry 2: this is not how it is written"),
        ("DIGITVOTE_CORS_ORIGINS", "a.example", "as https://a.example"),
        ("DIGITVOTE_PROXIES", "*", "IPv4 or IPv6 network"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, allowed: str
) -> None:
    """The error names the variable, its value and what it can be."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as error:
        read_settings()
    assert value in str(error.value)
    assert allowed in str(error.value)
    assert "Value error" not in str(error.value)
    assert "\n" not in str(error.value)


def test_keys_are_shown_nowhere() -> None:
    """Wrong keys are told by their place, also where another setting is wrong; the help has the default."""
    secret = "lab-key-0123456789"
    for keys, port in ((f"lab:{secret},{secret}", "0"), (f"lab:{secret}", "abc"), (secret, "abc")):
        done = run(DIGITVOTE_API_KEYS=keys, DIGITVOTE_PORT=port)
        assert done.returncode == 2
        assert "DIGITVOTE_" in done.stderr
        assert secret not in done.stdout + done.stderr
    assert secret not in run("--help", DIGITVOTE_API_KEYS=f"lab:{secret}").stdout
    assert "digest" not in repr(Settings(api_keys=read_keys(f"lab:{secret}")))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="a process has no cores of its own here")
def test_only_the_cores_that_the_process_may_use_are_counted() -> None:
    """Of a machine's cores, those that `taskset` or a container's cpuset leaves to the process are shared out."""
    allowed = os.sched_getaffinity(0)
    assert cores() == len(allowed)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert cores() == Settings().batch_threads == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_wrong_value_ends_the_start_with_status_2() -> None:
    """The process says which setting is wrong, and nothing else, and exits 2."""
    done = run(DIGITVOTE_PORT="abc")
    assert done.returncode == 2
    assert done.stderr.startswith("DIGITVOTE_PORT='abc': ")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none_ends_the_start() -> None:
    """Asking for a GPU that is not there is told at the start, not by a service that never gets ready."""
    done = run(DIGITVOTE_DEVICE="cuda")
    assert done.returncode == 2
    assert done.stderr == "DIGITVOTE_DEVICE='cuda': torch finds no CUDA device here; allowed are 'auto' and 'cpu'\n"


def test_help_lists_every_setting_with_its_default() -> None:
    """`python -m service --help` names each variable, its default and what it means."""
    told = run("--help").stdout
    for variable, meaning in variables().items():
        assert f"{variable}={defaults()[variable]}\n" in told
        assert meaning.split()[0] in told


def test_a_misspelt_setting_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A DIGITVOTE_ variable that is no setting is told, with the one that it may be meant as; the trainer's are not."""
    monkeypatch.setenv("DIGITVOTE_PROT", "9000")
    monkeypatch.setenv("DIGITVOTE_CACHE", "/tmp")
    assert unknown_variables() == ["DIGITVOTE_PROT: no such setting; is DIGITVOTE_PORT meant?"]
