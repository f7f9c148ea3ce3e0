"""Look-alikes of characters for TextBugger; TextAttack's wheel lacks its second file of them.

Source: the table of TextAttack 0.3.11, WordSwapHomoglyphSwap; outcomes depend on it letter by letter.
"""

from __future__ import annotations

_PLAIN = "-9876543210'abcdefghijklmnopqrstuvwxyz"
_ALIKE = (
    "\u02d7\u09ed\u0222\U0001d7d5\u0431\u01bc\u13ce\u01b7\u14bflO`"
    "\u0251\u042c\u03f2\u0501\u0435\U0001d68f\u0261\u0570\u0456\u03f3\U0001d48c\u217c\uff4d"
    "\u0578\u043e\u0440\u051b\u2c85\u0455\U0001d69d\u057d\u0475\u051d\u00d7\u0443\u1d22"
)

HOMOGLYPHS: dict[str, str] = dict(zip(_PLAIN, _ALIKE, strict=True))
