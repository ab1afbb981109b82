"""What a text costs as SMS: the GSM 7-bit alphabet (3GPP TS 23.038), transliteration into it, and segments."""

from __future__ import annotations

import unicodedata

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("^{}\\[~]|€")
_REPLACED = str.maketrans(
    {
        **dict.fromkeys("‘’‚′`´", "'"),
        **dict.fromkeys("“”„″«»", '"'),
        **dict.fromkeys("‐‑‒–—―−", "-"),
        **dict(zip("łŁđĐıħŧŋ", "lLdDihtn", strict=True)),
        "œ": "oe",
        "Œ": "OE",
        "…": "...",
        "→": "->",
        "≥": ">=",
        "≤": "<=",
        "×": "x",
        "µ": "u",
        "°": " deg",
        "•": "-",
        "\u00a0": " ",
        "\t": " ",
    }
)


def is_gsm7(text: str) -> bool:
    """Whether every character is in the alphabet or its extension."""
    return all(one in _BASIC or one in _EXTENDED for one in text)


def transliterate(text: str) -> str:
    """The text in the alphabet where that keeps its words (accents, quotes, dashes); other scripts stay as they are."""
    found = []
    for one in text.translate(_REPLACED):
        plain = unicodedata.normalize("NFKD", one).encode("ascii", "ignore").decode() if not is_gsm7(one) else one
        found.append(plain or one)
    return "".join(found)


def count_units(text: str) -> int:
    """Septets where the text is in the alphabet, otherwise UTF-16 code units."""
    if is_gsm7(text):
        return sum(2 if one in _EXTENDED else 1 for one in text)
    return len(text.encode("utf-16-be")) // 2


def count_segments(text: str) -> int:
    """How many short messages the text becomes; extended characters are never split, which may cost one septet each."""
    whole, part = (160, 153) if is_gsm7(text) else (70, 67)
    units = count_units(text)
    return 1 if units <= whole else -(-units // part)
