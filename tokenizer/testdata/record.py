"""Records what the tokenizers library gives for the tests of this package.

    pip install tokenizers==0.23.3
    python record.py > recorded.json

Reads tokenizer.json and the strings of reference.json beside it; adds random strings (seed 1), ids alone, and digests
over all of Unicode: of the class of every character, and of normalised text around every character.
"""

import hashlib
import json
import os
import random

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG = json.load(open(os.path.join(HERE, "tokenizer.json"), encoding="utf-8"))
NFC, NFD = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str
SCALARS = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
PATTERN = CONFIG["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
SPLIT = pre_tokenizers.Split(Regex(PATTERN), "isolated")


def pieces(s):
    return len(SPLIT.pre_tokenize_str(s))


def kind(c):
    """Class of a character, found by how the pattern splits around it."""
    if c in (10, 13):
        return "R"
    if pieces("a" + chr(c)) == 1:
        return "L"
    if pieces("!" + chr(c)) == 1:
        return "O"
    return "N" if pieces(2 * chr(c)) == 2 else "S"


def around(c):
    """Strings that show how a character normalises beside others."""
    s = chr(c)
    yield s
    yield NFD(s)
    yield "e" + s
    yield "a\u0323" + s + "\u0302"
    yield s + "\u0301"
    yield s + "\u0338"


def digest(parts):
    h = hashlib.sha256()
    for p in parts:
        h.update(p.encode() + b"\n")
    return h.hexdigest()


def pools(added):
    one = random.choice
    between = random.randrange
    return [
        lambda: chr(between(32, 127)), lambda: one(" \n\r\t'\"<|>/_"), lambda: one("etaoinshrdlu"),
        lambda: chr(between(0xA0, 0x250)), lambda: chr(between(0x300, 0x370)), lambda: chr(between(0x1100, 0x1200)),
        lambda: chr(between(0xAC00, 0xD7A4)), lambda: chr(between(0x4E00, 0x9FFF)), lambda: chr(between(0x600, 0x1100)),
        lambda: chr(between(0x1F300, 0x1FB00)), lambda: chr(between(0x10000, 0x33500)), lambda: one(added),
        lambda: one(added)[:between(1, 9)], lambda: str(between(10**between(1, 9))), lambda: "\u0301" * between(1, 50),
        lambda: one("\u200d\ufe0f\u200b\ufeff\u180e\x1c\x85\xa0\u2003\u3000\u2028"),
        lambda: one(["'s", "'T", "'re", "'VE", "'m", "'Ll", "'d", "'\u017f"]),
        lambda: one(["Click", " OK", " the", " button", "calendar", "        ", "\n\n\n", '{"name": "']),
    ]


def rand(added, n):
    for _ in range(n):
        chosen = random.sample(pools(added), random.choice([1, 2, 3, 6]))
        yield "".join(random.choice(chosen)() for _ in range(random.choice([1, 3, 8, 30])))


def row(s, ids, text, answer):
    """Ids with all added tokens, with none and with those not special; the last two where they differ from the first."""
    r = {"text": s, "ids": ids}
    if text != ids:
        r["text_ids"] = text
    if answer != ids:
        r["answer_ids"] = answer
    return r


def main():
    random.seed(1)
    full = Tokenizer.from_str(json.dumps(CONFIG))
    plain = Tokenizer.from_str(json.dumps(CONFIG))
    plain.encode_special_tokens = True
    text = Tokenizer.from_str(json.dumps(CONFIG | {"added_tokens": []}))
    strings = [s["text"] for s in json.load(open(os.path.join(HERE, "reference.json"), encoding="utf-8"))["strings"]]
    strings += rand([a["content"] for a in CONFIG["added_tokens"]], 150)
    lists = [[random.randrange(800) for _ in range(random.randrange(1, 20))] for _ in range(60)]
    out = {
        "strings": [row(s, full.encode(s).ids, text.encode(s).ids, plain.encode(s).ids) for s in strings],
        "decode": [{"ids": ids, "decoded": full.decode(ids, skip_special_tokens=False),
                    "decoded_skip_special": full.decode(ids)} for ids in lists],
        "classes_sha256": hashlib.sha256("".join(map(kind, SCALARS)).encode()).hexdigest(),
        "nfc_sha256": digest(NFC(s) for c in SCALARS if c < 0x20000 for s in around(c)),
    }
    print(json.dumps(out, ensure_ascii=False, separators=(",", ":")).replace('},{"', '},\n{"'))


if __name__ == "__main__":
    main()
