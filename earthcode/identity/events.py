"""What happens in ``identity``, by name."""

from earthcode.audit.events import EventName


class UserEvent(EventName):
    SIGN_IN = "user.sign_in", "Signed in"
    ROLE_GRANTED = "user.role_granted", "Role given by the single sign-on"
    ROLE_REMOVED = "user.role_removed", "Role removed by the single sign-on"
    DEACTIVATE = "user.deactivate", "Deactivated"
    ERASE = "user.erase", "Personal data erased"


class OrganisationEvent(EventName):
    REGISTER = "organisation.register", "Organisation registered as a provider"
    ADD_ADMINISTRATOR = "organisation.add_administrator", "Administrator added"
    REMOVE_ADMINISTRATOR = "organisation.remove_administrator", "Administrator removed"
    IMPORT = "organisation.import", "Organisation imported into the catalogue"


class ProjectEvent(EventName):
    CREATE = "project.create", "Project started"
    CHANGE = "project.change", "Title or summary changed"
    ADD_MEMBER = "project.add_member", "Member added"
    REMOVE_MEMBER = "project.remove_member", "Member removed"
