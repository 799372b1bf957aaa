"""What happens in ``sponsorship``, by name."""

from earthcode.audit.events import EventName


class RequestEvent(EventName):
    START = "resource_request.start", "Draft started"
    SAVE_PROJECT = "resource_request.save_project", "Project of a request saved"
    SAVE_LINE = "resource_request.save_line", "Plan of a request saved"
    SAVE_LINE_REMOVED = "resource_request.save_line_removed", "Plan removed from a request"
    SAVE_PERIOD = "resource_request.save_period", "Period of a request saved"
    SAVE_CASE = "resource_request.save_case", "Science case saved"
    SAVE_CALL = "resource_request.save_call", "Call of a request chosen"
    SAVE_DECLARATIONS = "resource_request.save_declarations", "Declarations of a request saved"
    SUBMIT = "resource_request.submit", "Submitted to ESA"
    WITHDRAW = "resource_request.withdraw", "Withdrawn"
    ENDORSE = "resource_request.endorse", "Endorsed by the Technical Officer"
    ASK = "resource_request.ask", "ESA asked a question"
    APPROVE = "resource_request.approve", "Approved in full"
    APPROVE_FIRST = "resource_request.approve_first", "Approved by the first of two officers"
    OFFER = "resource_request.offer", "ESA offered a part"
    ACCEPT = "resource_request.accept", "Offer accepted"
    DECLINE = "resource_request.decline", "Offer declined"
    LAPSE = "resource_request.lapse", "Offer lapsed"
    REJECT = "resource_request.reject", "Rejected"


class AwardEvent(EventName):
    MOVE_CREDITS = "award.move_credits", "Credits moved to another award"


class CallEvent(EventName):
    PLAN = "call.plan", "Call planned"
    CHANGE = "call.change", "Call changed"
    OPEN = "call.open", "Call opened"
    PAUSE = "call.pause", "Call paused"
    RESUME = "call.resume", "Call resumed"
    CLOSE = "call.close", "Call closed"


class FundingEvent(EventName):
    PROPOSE = "call_funding.propose", "Funding proposed"
    AGREE = "call_funding.agree", "Funding agreed"
    DECLINE = "call_funding.decline", "Funding declined"


class HolidayEvent(EventName):
    ADD = "holiday.add", "Holiday added"
    REMOVE = "holiday.remove", "Holiday removed"


class QuotationEvent(EventName):
    ASK = "quotation.ask", "Price asked for"
    ASK_BACK = "quotation.ask_back", "Asked for another price"
    ANSWER = "quotation.answer", "Price given"
    DECLINE = "quotation.decline", "No price given"
    ACCEPT = "quotation.accept", "Price accepted"
    WITHDRAW = "quotation.withdraw", "Price not needed any more"
    LAPSE = "quotation.lapse", "Price lapsed"


class AttachmentEvent(EventName):
    ADD = "attachment.add", "File added"
