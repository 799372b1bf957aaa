"""One way to lock a row and to read it anew."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.db.models import prefetch_related_objects
from django.db.transaction import TransactionManagementError

from earthcode.identity.models import Membership, Organisation, Project
from earthcode.lib.lock import lock


def test_it_reads_what_is_stored_in_one_query(
    institute: Organisation, django_assert_num_queries: Callable[[int], Any]
) -> None:
    Organisation.objects.filter(pk=institute.pk).update(name="Renamed meanwhile")

    with transaction.atomic(), django_assert_num_queries(1):
        lock(institute)

    assert institute.name == "Renamed meanwhile"


def test_what_was_prefetched_is_forgotten(project: Project) -> None:
    prefetch_related_objects([project], "memberships")
    Membership.objects.filter(project=project).delete()

    with transaction.atomic():
        lock(project)

    assert list(project.memberships.all()) == []


@pytest.mark.django_db(transaction=True)
def test_it_is_refused_outside_a_transaction(institute: Organisation) -> None:
    with pytest.raises(TransactionManagementError):
        lock(institute)


def test_a_row_that_is_gone_is_missed(institute: Organisation) -> None:
    gone = Organisation(pk=0)
    with transaction.atomic(), pytest.raises(Organisation.DoesNotExist):
        lock(gone)
