"""How numbers and dates are written: 12 Mar 2027, 09:30, 2 684.5. Read by Django (``FORMAT_MODULE_PATH``)."""

from earthcode.lib.money import GROUP_SEPARATOR

DATE_FORMAT = "j M Y"
SHORT_DATE_FORMAT = "j M Y"
DATETIME_FORMAT = "j M Y, H:i"
SHORT_DATETIME_FORMAT = "j M Y, H:i"
TIME_FORMAT = "H:i"
MONTH_DAY_FORMAT = "j M"
YEAR_MONTH_FORMAT = "M Y"
FIRST_DAY_OF_WEEK = 1
DECIMAL_SEPARATOR = "."
THOUSAND_SEPARATOR = GROUP_SEPARATOR
NUMBER_GROUPING = 3
#: Each says which number is the month: 03/04/2027 is a day in March to some and in April to others, and so to nobody here.
DATE_INPUT_FORMATS = ["%Y-%m-%d", "%d %b %Y", "%d %B %Y"]
