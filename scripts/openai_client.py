#!/usr/bin/env python3
"""Asks a running mole serve about a picture with OpenAI's own client.

    mole serve &
    pip install openai
    scripts/openai_client.py screenshot.png --prompt "open the calendar"

It lists the models, gets an answer as a whole and piece by piece, and provokes
an error; the exit status is 1 if anything is not as it should be.
"""

import argparse
import base64
import os
import sys

import openai


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("image", help="a PNG, JPEG or WebP file")
    parser.add_argument("--url", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--token", default=os.environ.get("OPENAI_API_KEY", "none"))
    parser.add_argument("--model", default="auto", help="auto, base, or the name of an expert")
    parser.add_argument("--prompt", default="What is to be seen?")
    args = parser.parse_args()
    client = openai.OpenAI(base_url=args.url, api_key=args.token, max_retries=0)

    print("models:", ", ".join(model.id for model in client.models.list()))
    with open(args.image, "rb") as file:
        data = base64.b64encode(file.read()).decode()
    messages = [{"role": "user", "content": [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64," + data}},
        {"type": "text", "text": args.prompt},
    ]}]

    raw = client.chat.completions.with_raw_response.create(model=args.model, messages=messages, seed=1)
    answer = raw.parse()
    choice = answer.choices[0]
    print("headers:", raw.headers["X-Mole-Expert"], raw.headers.get("X-Mole-Confidence", "-"), raw.headers["X-Mole-Unsure"])
    print("decision:", answer.mole["probabilities"])
    print("answer:", said(choice.message.content, choice.message.tool_calls), choice.finish_reason, answer.usage.total_tokens, "tokens")

    text, calls, usage = "", [], None
    for event in client.chat.completions.create(model=args.model, messages=messages, seed=1, stream=True, stream_options={"include_usage": True}):
        usage = event.usage or usage
        for choice in event.choices:
            text += choice.delta.content or ""
            calls += choice.delta.tool_calls or []
    print("stream:", said(text, calls), usage.total_tokens, "tokens")

    try:
        client.chat.completions.create(model="nobody", messages=messages)
    except openai.NotFoundError as error:
        print("error:", error.code, error.param)
        return 0
    print("model nobody: got an answer, want an error", file=sys.stderr)
    return 1


def said(text, calls):
    """Returns a text and calls on one line."""
    return repr(text) + "".join(" " + call.function.name + call.function.arguments for call in calls or [])


if __name__ == "__main__":
    sys.exit(main())
