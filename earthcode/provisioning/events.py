"""What happens in ``provisioning``, by name."""

from earthcode.audit.events import EventName


class AllocationEvent(EventName):
    PLACE = "allocation.place", "Credits set aside"
    ACTIVATE = "allocation.activate", "Access set up"
    FAIL = "allocation.fail", "Set-up problem"
    RETRY = "allocation.retry", "Tried again"
    OPEN = "allocation.open", "Platform opened"
    SYNC_PEOPLE = "allocation.sync_people", "People updated"
    ASK_SUSPEND = "allocation.ask_suspend", "Suspension asked for"
    SUSPEND = "allocation.suspend", "Suspended"
    ASK_RESUME = "allocation.ask_resume", "Resumption asked for"
    RESUME = "allocation.resume", "Resumed"
    CHANGE = "allocation.change", "Change asked for"
    REVEAL = "allocation.reveal", "Credentials shown"
    END = "allocation.end", "Ending"
    CLOSE_USAGE = "allocation.close_usage", "Usage closed"
    CLOSE = "allocation.close", "Access removed, credits returned"


class OperationEvent(EventName):
    SUCCEED = "operation.succeed", "Platform operation done"
    POSTPONE = "operation.postpone", "Platform operation postponed"
    FAIL = "operation.fail", "Platform operation failed"
    RETRY = "operation.retry", "Platform operation tried again"


class TaskEvent(EventName):
    ASK = "task.ask", "Provider asked"
    CONFIRM = "task.confirm", "Provider confirmed"
    DECLINE = "task.decline", "Provider declined"


class PlatformUsernameEvent(EventName):
    STATE = "platform_username.state", "User name on a platform stated"
