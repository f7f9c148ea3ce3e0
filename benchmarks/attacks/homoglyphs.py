"""Look-alikes of characters, which TextBugger swaps in; TextAttack's wheel lacks the file it reads beside them.

Source: the table of TextAttack 0.3.11, WordSwapHomoglyphSwap; outcomes depend on it letter by letter.
"""

from __future__ import annotations

_PLAIN = "-9876543210'abcdefghijklmnopqrstuvwxyz"
_ALIKE = "˗৭Ȣ𝟕бƼᏎƷᒿlO`ɑЬϲԁе𝚏ɡհіϳ𝒌ⅼｍոорԛⲅѕ𝚝սѵԝ×уᴢ"

HOMOGLYPHS: dict[str, str] = dict(zip(_PLAIN, _ALIKE, strict=True))
