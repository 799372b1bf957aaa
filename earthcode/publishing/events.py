"""What happens in ``publishing``, by name."""

from earthcode.audit.events import EventName


class DraftEvent(EventName):
    START = "offering_draft.start", "Draft started"
    SAVE = "offering_draft.save", "Draft saved"
    CATCH_UP = "offering_draft.catch_up", "Draft brought up to date"
    SUBMIT = "offering_draft.submit", "Submitted to ESA"
    TAKE_BACK = "offering_draft.take_back", "Withdrawn from review"
    APPROVE = "offering_draft.approve", "Approved and published"
    SEND_BACK = "offering_draft.send_back", "Returned by ESA"
    PUBLISH = "offering_draft.publish", "Published"
    DISCARD = "offering_draft.discard", "Discarded"


class MaintenanceEvent(EventName):
    ANNOUNCE = "maintenance.announce", "Maintenance announced"
    SHORTEN = "maintenance.shorten", "Maintenance shortened"
    CANCEL = "maintenance.cancel", "Maintenance cancelled"
