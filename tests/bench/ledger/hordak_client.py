"""django-hordak doing the same work: one balanced movement between two accounts. A program of its own, with its own packages.

python hordak_client.py URL setup | URL CLIENTS SECONDS
"""

import multiprocessing
import random
import sys
import time

import django
from django.conf import settings

ACCOUNTS = 1_000


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
    from hordak.models import Account

    call_command("migrate", verbosity=0)
    for number in range(ACCOUNTS):
        Account.objects.create(name=str(number), code=f"{number:04}", type="AS", currencies=["EUR"])


def work(seconds: float, counts: "multiprocessing.Queue[int]", start: float) -> None:
    from hordak.models import Account
    from moneyed import Money

    accounts = list(Account.objects.all())
    one = Money(1, "EUR")
    random.seed()
    while time.time() < start:
        time.sleep(0.001)
    done = 0
    while time.time() < start + seconds:
        debit, credit = random.sample(accounts, 2)
        debit.transfer_to(credit, one)
        done += 1
    counts.put(done)


def main() -> None:
    url, *rest = sys.argv[1:]
    configure(url)
    if rest == ["setup"]:
        set_up()
        return
    clients, seconds = int(rest[0]), float(rest[1])
    context = multiprocessing.get_context("fork")
    counts: multiprocessing.Queue[int] = context.Queue()
    start = time.time() + 1.5
    processes = [context.Process(target=work, args=(seconds, counts, start)) for _ in range(clients)]
    for process in processes:
        process.start()
    total = sum(counts.get() for _ in processes)
    for process in processes:
        process.join()
    sys.stdout.write(f"{total / seconds}\n")


if __name__ == "__main__":
    main()
