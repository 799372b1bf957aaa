"""The same work by pgbench, which costs a client almost nothing."""

import re
import subprocess
import tempfile

from earthcode.demo.postgres import programs
from tests.bench.ledger.books import WALLETS

FLOOR = "INSERT INTO bench_floor (v) VALUES (1);"
#: A colon begins a variable of pgbench, within quotes, too.
POST = f"""\
\\set debit random(0, {WALLETS // 2 - 1})
\\set credit random({WALLETS // 2}, {WALLETS - 1})
SELECT entry_id FROM ledger_post_line(gen_random_uuid(), 'transfer', \
concat('award', chr(58), 'wallet-', (:debit)::text, chr(58), 'available'), \
concat('award', chr(58), 'wallet-', (:credit)::text, chr(58), 'available'), \
1, 'bench', '', now());
"""
#: An order: a hold, and its final capture; two commits.
ORDER = f"""\
\\set wallet random(0, {WALLETS - 1})
SELECT id AS hold FROM ledger_hold(gen_random_uuid(), \
concat('award', chr(58), 'wallet-', (:wallet)::text, chr(58), 'available'), \
concat('award', chr(58), 'wallet-', (:wallet)::text, chr(58), 'held'), \
concat('provider', chr(58), 'provider', chr(58), 'bench', chr(58), 'accrued'), \
10, now() + interval '9 days', 'bench', now()) \\gset
SELECT entry_id FROM ledger_capture(gen_random_uuid(), :hold, 7, true, 'bench', now());
"""


def rate(url: str, script: str, clients: int, seconds: float) -> float:
    """Transactions a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
        file.write(script)
        file.flush()
        done = subprocess.run(
            [
                *(str(programs() / "pgbench"), "--no-vacuum", "--protocol=prepared", f"--file={file.name}"),
                *(f"--client={clients}", f"--time={max(round(seconds), 1)}", url),
            ],
            capture_output=True,
            text=True,
        )
    found = re.search(r"tps = ([0-9.]+)", done.stdout)
    assert found, done.stderr
    return float(found[1])
