# ruff: noqa: S311  # chance, not a secret
"""django-hordak at work. A program of its own, with its own packages.

python hordak_client.py URL setup | URL fill LEGS | URL MODE ACCOUNTS CLIENTS SECONDS

Modes, each one balanced movement between two of so many accounts:

- ``bare``: what hordak does by itself. No balance is checked, and a repeated request moves as much again.
- ``same``: what ``actions.post`` does, as an application with hordak has to do it: both accounts locked in one order, the key
  looked for, the balance read and checked, the movement written under the key, all in one transaction.
- ``hot``: the same, and every movement debits one account.
"""

import multiprocessing
import random
import sys
import time
import uuid
from typing import TYPE_CHECKING

import django
from django.conf import settings

if TYPE_CHECKING:
    from hordak.models import Account

ACCOUNTS = 1_000
#: So many of them get a history.
FILLED = 100
PLENTY = 10**12


def configure(url: str) -> None:
    host, _, rest = url.removeprefix("postgres://earthcode@").partition(":")
    port, _, name = rest.partition("/")
    settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": host,
                "PORT": port,
                "NAME": name,
                "USER": "earthcode",
            }
        },
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "mptt", "hordak"],
        DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        USE_TZ=True,
        CURRENCIES=["EUR"],
        DEFAULT_CURRENCY="EUR",
        SECRET_KEY="bench",
    )
    django.setup()


def set_up() -> None:
    from django.core.management import call_command
    from django.db import connection, transaction
    from hordak.models import Account
    from moneyed import Money

    call_command("migrate", verbosity=0)
    with transaction.atomic():
        sponsor = Account.objects.create(name="sponsor", code="9999", type="EQ", currencies=["EUR"])
        for number in range(ACCOUNTS):
            account = Account.objects.create(name=str(number), code=f"{number:04}", type="AS", currencies=["EUR"])
            sponsor.transfer_to(account, Money(PLENTY, "EUR"))
    with connection.cursor() as cursor:
        # hordak keeps no index by which a key could be found, or kept from being used twice.
        cursor.execute("CREATE UNIQUE INDEX bench_key ON hordak_transaction (uuid)")


def fill(legs: int) -> None:
    """Give the first accounts a history of so many legs each, behind the triggers: each gives to the next one in turn."""
    from django.db import connection, transaction

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            """
            CREATE TEMPORARY TABLE movement ON COMMIT DROP AS
            SELECT nextval(pg_get_serial_sequence('hordak_transaction', 'id')) AS id, number
            FROM generate_series(0, %s - 1) AS number;
            INSERT INTO hordak_transaction (id, uuid, timestamp, date, description)
            SELECT id, gen_random_uuid(), now(), current_date, '' FROM movement;
            INSERT INTO hordak_leg (uuid, description, account_id, transaction_id, credit, debit, currency)
            SELECT gen_random_uuid(), '', account.id, movement.id, nullif(1 - side, 0), nullif(side, 0), 'EUR'
            FROM movement CROSS JOIN (VALUES (0), (1)) AS leg (side)
            JOIN hordak_account account ON account.code = lpad(((number + side) %% %s)::text, 4, '0')
            ORDER BY movement.id
            """,
            [legs * FILLED // 2, FILLED],
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def move(debit: "Account", credit: "Account") -> None:
    from moneyed import Money

    debit.transfer_to(credit, Money(1, "EUR"))


def move_once_if_there_is_enough(debit: "Account", credit: "Account") -> None:
    from django.db import transaction
    from hordak.models import Account, Transaction
    from moneyed import Money

    key, amount = uuid.uuid4(), Money(1, "EUR")
    with transaction.atomic():
        both = Account.objects.filter(pk__in=[debit.pk, credit.pk])
        locked = {account.pk: account for account in both.order_by("pk").select_for_update()}
        if Transaction.objects.filter(uuid=key).exists():
            return
        if locked[debit.pk].get_balance()["EUR"] < amount:
            raise ValueError("too little")
        locked[debit.pk].transfer_to(locked[credit.pk], amount, uuid=key)


def work(mode: str, accounts: int, seconds: float, counts: "multiprocessing.Queue[int]", start: float) -> None:
    from hordak.models import Account

    pool = list(Account.objects.filter(type="AS").order_by("code")[:accounts])
    do = move if mode == "bare" else move_once_if_there_is_enough
    random.seed()
    while time.time() < start:
        time.sleep(0.001)
    done = 0
    while time.time() < start + seconds:
        debit, credit = random.sample(pool, 2) if mode != "hot" else (pool[0], random.choice(pool[1:]))
        do(debit, credit)
        done += 1
    counts.put(done)


def main() -> None:
    url, what, *numbers = sys.argv[1:]
    configure(url)
    if what == "setup":
        set_up()
        return
    if what == "fill":
        fill(int(numbers[0]))
        return
    accounts, clients, seconds = int(numbers[0]), int(numbers[1]), float(numbers[2])
    context = multiprocessing.get_context("fork")
    counts: multiprocessing.Queue[int] = context.Queue()
    start = time.time() + 1.5
    processes = [context.Process(target=work, args=(what, accounts, seconds, counts, start)) for _ in range(clients)]
    for process in processes:
        process.start()
    total = sum(counts.get() for _ in processes)
    for process in processes:
        process.join()
    sys.stdout.write(f"{total / seconds}\n")


if __name__ == "__main__":
    main()
