"""What happens in ``onboarding``, by name."""

from earthcode.audit.events import EventName


class ApplicationEvent(EventName):
    START = "application.start", "Application started"
    SAVE_ABOUT = "application.save_about", "Organisation, platform or kind changed"
    CHECK = "application.check", "Addresses of an application checked again"
    SUBMIT = "application.submit", "Submitted to ESA"
    WITHDRAW = "application.withdraw", "Application withdrawn"
    RETURN = "application.return", "Returned to the applicant"
    ACCEPT = "application.accept", "Application accepted"
    REJECT = "application.reject", "Application rejected"


class ItemEvent(EventName):
    GIVE = "application_item.give", "Evidence given"
    ACCEPT = "application_item.accept", "Item accepted"
    RETURN = "application_item.return", "Item returned"
