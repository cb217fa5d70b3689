"""What names of columns say: times, ids, prices and demand, which are no items, and totals."""

from __future__ import annotations

import re
from collections.abc import Sequence


def _set(*lines: str) -> frozenset[str]:
    return frozenset(" ".join(lines).split())


TIMES = _set(
    "date dates datetime timestamp time day days week weeks wk month months quarter year years period",
    "periods t d ds dt calendar",
)
IDS = _set(
    "id ids index idx key code number no nr sku item items product products article store stores shop shops",
    "location warehouse dept department cat category region state country brand family customer supplier",
    "barcode ean upc",
)
ATTRIBUTES = _set(
    "price prices cost costs revenue turnover discount promo promotion onpromotion temperature weather",
    "holiday event stock inventory lead leadtime forecast margin profit weight tax rate",
)
DEMANDS = _set(
    "sale sales sold demand demands qty quantity quantities unit units order orders usage consumption volume",
    "value values y count counts scripts shipments amount amounts",
)
TOTALS = _set("total totals sum sums subtotal gesamt summe gesamtsumme totale somme suma")


def words_of(name: str) -> list[str]:
    """The words of a name in lower case: those of ``unitPrice_2`` are unit, price and 2."""
    return [word.lower() for word in re.findall(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+|\d+", name)]


def is_time(name: str) -> bool:
    """Whether a name is that of dates or periods."""
    words = words_of(name)
    return bool(words) and words[-1] in TIMES and not set(words) & (ATTRIBUTES | DEMANDS)


def is_total(name: str) -> bool:
    """Whether a name is that of a total of others."""
    words = words_of(name)
    return bool(words) and (words[0] in TOTALS or words[-1] in TOTALS)


def is_attribute(name: str) -> bool:
    """Whether a name is that of a time, a price or the like, and so surely not that of a column of items."""
    return is_time(name) or bool(set(words_of(name)) & ATTRIBUTES)


def is_no_demand(name: str) -> bool:
    """Whether a name is that of a time, an id or a price, and so surely not that of a demand."""
    words = set(words_of(name))
    numbered = any(word.isdigit() for word in words)
    return bool(words & ATTRIBUTES) or (bool(words & (TIMES | IDS)) and not words & DEMANDS and not numbered)


def may_be_items(names: Sequence[str]) -> bool:
    """Whether names of columns can be those of items: they differ in no word that tells what they hold.

    Names such as week, sales and price cannot; bread and milk can, and so can sales_A and sales_B.
    """
    # Single letters are common names of items.
    telling = {word for word in TIMES | IDS | ATTRIBUTES | DEMANDS if len(word) > 1}
    kinds = {frozenset(words_of(name)) & telling for name in names}
    return len(kinds) == 1
