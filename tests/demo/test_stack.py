"""The supervisor, with parts that start in no time. ``test_demo.py`` runs the real ones."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psutil
import pytest

from earthcode.demo import stack as stacks
from earthcode.demo.config import BASE_DIR, MARK, Config, Ports
from earthcode.demo.processes import Part, Process, says
from earthcode.demo.stack import RESTARTS_A_MINUTE, Stack, StackError

SERVES = "import time; print('ready', flush=True); time.sleep(600)"
#: As the hub does with notebooks: something of its own that outlives it.
LEAVES_A_CHILD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
{SERVES}
"""
IGNORES_SIGTERM = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SERVES}"


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return Config(tmp_path / "demo", Ports.free(), base_environment={"PATH": os.environ["PATH"]})


def process(config: Config, key: str, code: str, *, needs: Sequence[str] = (), lasting: bool = True) -> Process:
    command = [sys.executable, "-c", code]
    log = config.logs / f"{key}.log"
    ready = says("ready") if lasting else None
    return Process(key, key.title(), command, config.environment(), log, needs=needs, ready=ready, stop_timeout_s=2)


@pytest.fixture
def made_of(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Say what the demo is made of, by name: the code that each part runs."""

    def made_of(**code: str) -> None:
        def parts(config: Config) -> list[Part]:
            return [process(config, key, text) for key, text in code.items()]

        monkeypatch.setattr(stacks, "parts", parts)

    return made_of


def left_of(config: Config) -> list[int]:
    """Processes of this demo that are alive."""
    found = []
    for candidate in psutil.process_iter():
        try:
            if candidate.environ().get(MARK) == str(config.local_dir) and candidate.status() != psutil.STATUS_ZOMBIE:
                found.append(candidate.pid)
        except psutil.Error:
            continue
    return found


def wait_until(holds: Callable[[], bool], *, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "this never came about"
        time.sleep(0.05)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener


# --- ports -----------------------------------------------------------------------------------------------------------


def test_a_taken_port_is_named_with_its_setting_and_nothing_is_started(
    tmp_path: Path, listener: socket.socket, made_of: Callable[..., None]
) -> None:
    made_of(web=SERVES)
    port = listener.getsockname()[1]
    environment = {"LOCAL_DIR": str(tmp_path), "HUB_PORT": str(port), "PATH": os.environ["PATH"]}
    for name in ("WEB", "SSO", "HUB_PROXY", "HUB_API", "DATABASE", "BROKER"):
        environment[f"{name}_PORT"] = str(Ports.free().web)
    config = Config.from_environment(environment)

    with pytest.raises(StackError) as refusal, Stack(config):
        pass

    said = str(refusal.value)
    assert f"Port {port} for JupyterHub cannot be used" in said
    assert f"process {os.getpid()}" in said
    assert "make demo HUB_PORT=" in said
    assert said.count("Port ") == 1
    assert left_of(config) == []


def test_every_taken_port_is_named_at_once(tmp_path: Path, listener: socket.socket) -> None:
    port = listener.getsockname()[1]

    with pytest.raises(StackError) as refusal, Stack(Config(tmp_path, Ports(*[port] * 7))):
        pass

    for setting in (
        "WEB_PORT",
        "SSO_PORT",
        "HUB_PORT",
        "HUB_PROXY_PORT",
        "HUB_API_PORT",
        "DATABASE_PORT",
        "BROKER_PORT",
    ):
        assert f"make demo {setting}=" in str(refusal.value)


# --- start and stop --------------------------------------------------------------------------------------------------


def test_parts_run_as_long_as_the_block(config: Config, made_of: Callable[..., None]) -> None:
    made_of(web=SERVES, worker=SERVES)

    with Stack(config) as stack:
        running = set(left_of(config))
        known = {*stack.pids("web"), *stack.pids("worker")}

    assert running == known
    assert len(running) == 2
    assert left_of(config) == []


def test_a_part_starts_after_those_it_needs(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    table = config.local_dir / "table"
    prepares = process(config, "prepare", f"open({str(table)!r}, 'w').close()", lasting=False)
    needs_it = process(config, "web", f"open({str(table)!r}).close(); {SERVES}", needs=["prepare"])
    monkeypatch.setattr(stacks, "parts", lambda _config: [prepares, needs_it])

    with Stack(config, say=said.append):
        order = [line.split()[-1] for line in said]

    assert order == ["Prepare", "Web"]


def test_stopping_ends_what_a_part_has_started_in_a_session_of_its_own(
    config: Config, made_of: Callable[..., None]
) -> None:
    made_of(hub=LEAVES_A_CHILD)

    with Stack(config):
        running = left_of(config)

    assert len(running) == 2
    assert left_of(config) == []


def test_a_part_that_will_not_stop_is_killed(config: Config, made_of: Callable[..., None]) -> None:
    made_of(worker=IGNORES_SIGTERM)

    with Stack(config):
        pass

    assert left_of(config) == []


def test_a_part_that_fails_is_reported_with_its_log_and_takes_the_others_along(
    config: Config, made_of: Callable[..., None]
) -> None:
    made_of(sso=SERVES, web="raise SystemExit('the table is missing')")

    with pytest.raises(StackError, match="Web ended with code 1") as failure, Stack(config):
        pass

    assert "the table is missing" in str(failure.value)
    assert str(config.logs / "web.log") in str(failure.value)
    assert left_of(config) == []


# --- what dies -------------------------------------------------------------------------------------------------------


def test_a_part_that_was_killed_is_started_again(config: Config, made_of: Callable[..., None]) -> None:
    made_of(worker=SERVES)

    with Stack(config) as stack:
        (before,) = stack.pids("worker")
        stack.kill("worker")
        stack.wait_ready("worker")
        (after,) = stack.pids("worker")

    assert after != before
    assert left_of(config) == []


def test_a_part_that_was_killed_can_be_left_dead(config: Config, made_of: Callable[..., None]) -> None:
    made_of(worker=SERVES, beat=SERVES)

    with Stack(config) as stack:
        stack.kill("worker", restart=False)
        # The watcher has looked since: it has revived the other one.
        stack.kill("beat")
        stack.wait_ready("beat")
        dead = stack.pids("worker")
        stack.start_part("worker")
        alive = stack.pids("worker")

    assert dead == []
    assert len(alive) == 1


def test_a_part_that_was_stopped_stays_stopped_until_it_is_started(
    config: Config, made_of: Callable[..., None]
) -> None:
    made_of(worker=SERVES, beat=SERVES)

    with Stack(config) as stack:
        stack.stop_part("worker")
        stack.kill("beat")
        stack.wait_ready("beat")

        assert stack.pids("worker") == []


def test_a_part_that_dies_again_and_again_is_given_up_with_a_reason(
    config: Config, made_of: Callable[..., None]
) -> None:
    made_of(worker="print('ready', flush=True)\nimport time; time.sleep(0.3); raise SystemExit(1)")

    with Stack(config) as stack:
        given_up = stack.failed.wait(60)
        reason = stack.failure

    assert given_up
    assert f"Worker died {RESTARTS_A_MINUTE + 1} times within a minute" in reason


# --- one folder, one demo --------------------------------------------------------------------------------------------


def test_a_second_demo_in_the_same_folder_is_refused_and_disturbs_nothing(
    config: Config, made_of: Callable[..., None]
) -> None:
    made_of(web=SERVES)
    with Stack(config) as stack:
        before = stack.pids("web")

        with pytest.raises(StackError, match=f"running already .process {os.getpid()}"), Stack(config):
            pass

        assert stack.pids("web") == before
        assert left_of(config) == before


def test_data_is_not_deleted_under_a_running_demo(config: Config, made_of: Callable[..., None]) -> None:
    made_of(web=SERVES)
    with Stack(config), pytest.raises(StackError, match="running already"):
        Stack(config).delete_data()

    assert (config.logs / "web.log").exists()


def test_data_is_deleted_when_nothing_runs(config: Config, made_of: Callable[..., None]) -> None:
    made_of(web=SERVES)
    with Stack(config):
        pass

    Stack(config).delete_data()
    Stack(config).delete_data()  # nothing is left to delete, and that is well

    assert not config.local_dir.exists()


def test_a_folder_that_is_no_demo_s_is_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")

    with pytest.raises(StackError, match="is not a folder of a demo"):
        Stack(Config(tmp_path)).delete_data()

    assert (tmp_path / "thesis.tex").exists()


def test_a_start_after_kill_9_of_the_supervisor_ends_what_it_left(
    config: Config, made_of: Callable[..., None], tmp_path: Path
) -> None:
    script = tmp_path / "supervisor.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import sys, time
            from pathlib import Path
            from earthcode.demo import stack
            from earthcode.demo.config import Config
            from tests.demo.test_stack import LEAVES_A_CHILD, process
            stack.parts = lambda config: [process(config, "hub", LEAVES_A_CHILD)]
            with stack.Stack(Config.on_free_ports(Path({str(config.local_dir)!r}))):
                print("up", flush=True)
                time.sleep(600)
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(BASE_DIR)}
    with subprocess.Popen([sys.executable, str(script)], env=environment, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        assert supervisor.stdout.readline() == b"up\n"
        os.kill(supervisor.pid, signal.SIGKILL)
    orphans = left_of(config)
    said: list[str] = []
    made_of(web=SERVES)

    with Stack(config, say=said.append) as stack:
        running = left_of(config)
        ours = stack.pids("web")

    assert len(orphans) == 2
    assert said[0] == "Ended 2 processes that an earlier demo had left running"
    assert running == ours
    assert left_of(config) == []
