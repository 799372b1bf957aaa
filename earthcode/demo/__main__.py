"""``python -m earthcode.demo`` runs the demo until Ctrl-C; ``python -m earthcode.demo reset`` deletes its data."""

import argparse
import os
import signal
import sys
import time

from earthcode.demo import people
from earthcode.demo.config import Config, ConfigError
from earthcode.demo.stack import Stack, StackError


def say(line: str = "") -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _stop_once(_number: int, _frame: object) -> None:
    # Stopping must not be interrupted, or something would be left running.
    for number in STOPS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def run(config: Config) -> None:
    # A terminal that closes and a service manager that stops us mean the same as Ctrl-C.
    for number in STOPS:
        signal.signal(number, _stop_once)
    began = time.monotonic()
    stack = Stack(config, say=lambda line: say(f"  {line}"))
    say(f"Starting the Network of Resources on this machine. Logs are in {config.logs}.")
    try:
        with stack:
            say(f"Ready after {time.monotonic() - began:.0f} seconds.")
            say()
            _welcome(config)
            while not stack.failed.wait(1):
                pass
    except KeyboardInterrupt:
        say("Stopped. The data stays for the next time; “make reset” deletes it.")
    if stack.failure:
        raise StackError(stack.failure)


def _welcome(config: Config) -> None:
    say(f"  Network of Resources  {config.site_url}/")
    if config.with_hub:
        say(f"  JupyterHub            {config.hub_url}/")
    if not config.with_sso:
        say(f"  Single sign-on        {config.issuer}")
    else:
        say(f"  Single sign-on        {config.sso_url}/   (who is signed in, and signing out)")
        say()
        say("  Sign in as one of these, without a password:")
        for persona in people.personas():
            say(f"    {persona.name:<15} {persona.about}")
    say()
    say("Ctrl-C stops everything.")


def reset(config: Config) -> None:
    """Delete everything that the demo has written, unless it is running."""
    Stack(config, say=say).delete_data()
    say(f"There is no data of a demo in {config.local_dir} any more.")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m earthcode.demo", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["run", "reset"], default="run")
    what = parser.parse_args().what
    try:
        config = Config.from_environment(os.environ)
        reset(config) if what == "reset" else run(config)
    except (ConfigError, StackError) as failure:
        say()
        say(str(failure))
        sys.exit(1)


if __name__ == "__main__":
    main()
