"""The ledger and the audit trail, for those who may read them."""

from django.urls import URLPattern, path

from earthcode.web.books import audit, ledger

urlpatterns: list[URLPattern] = [
    path("awards/<slug:reference>/statement.csv", ledger.award_csv, name="award_csv"),
    path("audit/", audit.trail, name="audit"),
    path("ledger/", ledger.ledger, name="ledger"),
    path("ledger/accounts/<str:code>/", ledger.account, name="ledger_account"),
    path("ledger/accounts/<str:code>/statement.csv", ledger.account_csv, name="ledger_account_csv"),
]
