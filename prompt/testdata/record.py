"""Records renderings for the tests of this package.

    pip install tokenizers==0.23.3 jinja2==3.1.6
    python record.py > recorded.json

Renders conversations with chat_template.json (the rules of Qwen3-VL's template) as the transformers library does, and
encodes them, each image placeholder multiplied, with the tokenizer in ../../tokenizer/testdata. An image is written
{"type": "image", "grid": [rows, columns]} in patches, merged 2 by 2. The first conversations are those of the
specification, section 7.2; the others are random (seed 1) and spell no control token.
"""

import json
import os
import random

import jinja2.sandbox
from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
ENV = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
ENV.filters["tojson"] = lambda x: json.dumps(x, ensure_ascii=False)
TEMPLATE = ENV.from_string(json.load(open(os.path.join(HERE, "chat_template.json"), encoding="utf-8"))["chat_template"])
TOKENIZER = Tokenizer.from_file(os.path.join(HERE, "../../tokenizer/testdata/tokenizer.json"))
PAD = "<|image_pad|>"


def image(h=4, w=4):
    return {"type": "image", "grid": [h, w]}


def text(s):
    return {"type": "text", "text": s}


def call(name, arguments):
    return {"name": name, "arguments": arguments}


CLICK = {"type": "function", "function": {"name": "click", "description": "点击 <b>", "parameters": {
    "type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}}}
GO = {"role": "user", "content": "go"}
SPECIFIED = [
    {"messages": [{"role": "user", "content": [image(), text("Click OK")]}], "generate": True},
    {"messages": [{"role": "system", "content": "moe-router"}, {"role": "user", "content": [image(), text("Click OK")]},
                  {"role": "assistant", "content": "0"}]},
    {"messages": [{"role": "user", "content": "Hello"}]},
    {"messages": [{"role": "system", "content": "moe-router"}, {"role": "user", "content": "a"},
                  {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}], "generate": True},
    {"messages": [GO, {"role": "assistant", "content": "",
                       "tool_calls": [call("click", {"x": 5}), call("click", {"x": 6})]},
                  {"role": "tool", "content": "ok"}, {"role": "tool", "content": [text("shot:"), image(2, 6)]}],
     "tools": [CLICK], "generate": True},
    {"messages": [GO, {"role": "assistant", "content": "I will click.", "tool_calls": [call("click", {"x": 5})]}]},
]

WORDS = ["Click", " OK", " the", "button ", "\n", "\n\n", "  ", "\t", "日本語", "é", "e\u0301", "\u0301", "🙂", "{", "\"x\": 1",
         "don't", "<b>", "<|", "tool_call", "123", "\r\n", "\u2003", "[]", "\\", ".", "assistant\n", "\u200b"]


def words(most=8):
    return "".join(random.choice(WORDS) for _ in range(random.randrange(most)))


def value(depth=0):
    kinds = [lambda: random.randrange(-9, 10**random.randrange(1, 20)), lambda: random.choice([True, False, None]), words,
             lambda: random.uniform(-1, 1) * 10.0**random.randrange(-20, 25), lambda: random.choice([0.0, -0.0, 1e16, 1e-4, 9e-5, 5.0])]
    if depth < 3:
        kinds += [lambda: {words(3): value(depth + 1) for _ in range(random.randrange(4))},
                  lambda: [value(depth + 1) for _ in range(random.randrange(4))]] * 2
    return random.choice(kinds)()


def parts():
    if random.random() < 0.4:
        return words()
    return [image(2 * random.randrange(1, 4), 2 * random.randrange(1, 4)) if random.random() < 0.3 else text(words())
            for _ in range(random.randrange(5))]


def conversation():
    messages = [{"role": "system", "content": words()}] if random.random() < 0.5 else []
    for _ in range(random.randrange(1, 6)):
        role = random.choice(["user", "assistant", "tool", "tool"])
        m = {"role": role, "content": words() if role == "assistant" else parts()}
        if role == "assistant" and random.random() < 0.5:
            m["tool_calls"] = [call(random.choice(["click", "打字", "f.g"]), random.choice([value, lambda: {"x": 1}])())
                               for _ in range(random.randrange(3))]
        messages.append(m)
    tools = [value() or {} for _ in range(random.randrange(1, 3))] if random.random() < 0.3 else []
    return {"messages": messages, "tools": tools, "generate": random.random() < 0.5}


def expand(rendered, messages):
    """Multiplies each placeholder by the tokens of its image."""
    for m in messages:
        for part in m["content"] if isinstance(m["content"], list) else []:
            if part["type"] == "image":
                rendered = rendered.replace(PAD, "\0" * (part["grid"][0] * part["grid"][1] // 4), 1)
    return rendered.replace("\0", PAD)


def record(c):
    c["rendered"] = TEMPLATE.render(messages=c["messages"], tools=c.get("tools"),
                                    add_generation_prompt=c.get("generate", False))
    c["ids"] = TOKENIZER.encode(expand(c["rendered"], c["messages"])).ids
    return c


if __name__ == "__main__":
    random.seed(1)
    rows = [record(c) for c in SPECIFIED + [conversation() for _ in range(60)]]
    print("[" + ",\n".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) for r in rows) + "]")
