"""The English names of weekdays, months and small numbers, and patterns that find them."""

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)

#: A weekday, in full or abbreviated, in lower case.
WEEKDAY = (
    r"(?:mon(?:day)?|tue(?:s(?:day)?)?|wed(?:s|nesday)?|thu(?:r(?:s(?:day)?)?)?|"
    r"fri(?:day)?|sat(?:urday)?|sun(?:day)?)"
)
#: A month likewise.
MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
#: A number from one on, in figures or in words.
AMOUNT = rf"(?:\d{{1,4}}|{'|'.join(NUMBERS[1:])})"


def weekday_number(name: str) -> int:
    """0 for what `WEEKDAY` finds of Monday, 6 of Sunday."""
    return next(number for number, day in enumerate(WEEKDAYS) if day.startswith(name[:3]))


def month_number(name: str) -> int:
    """1 for what `MONTH` finds of January, 12 of December."""
    return next(number for number, month in enumerate(MONTHS, 1) if month.startswith(name[:3]))


def number(word: str) -> int:
    """The number that `AMOUNT` finds."""
    return int(word) if word.isdecimal() else NUMBERS.index(word)
