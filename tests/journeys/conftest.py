"""The whole site, really running: what ``make demo`` starts, on free ports, in a folder of its own."""

from collections.abc import Iterator

import pytest

from earthcode.demo.config import Config
from earthcode.demo.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(Config.on_free_ports(tmp_path_factory.mktemp("demo"))) as running:
        yield running
