"""What happens in ``catalogue``, by name."""

from earthcode.audit.events import EventName


class OfferingEvent(EventName):
    IMPORT = "offering.import", "Offering imported into the catalogue"
    PUBLISH = "offering.publish", "New version published"
    ANNOUNCE = "offering.announce", "Announcement published"
    RETIRE = "offering.retire", "Retirement announced"
    KEEP = "offering.keep", "Retirement cancelled"
    UNLIST = "offering.unlist", "Delisted"


class PlatformEvent(EventName):
    REGISTER = "platform.register", "Platform registered"
    CONNECT = "platform.connect", "Platform connected"
    TEST = "platform.test", "Connection tested"
    IMPORT = "platform.import", "Platform imported into the catalogue"
