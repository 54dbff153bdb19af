#!/usr/bin/env python3
"""Writes tests/golden/fixtures/text/chat: what jinja2 in transformers' environment makes of templates (see the README of tests/golden/fixtures/text).

    chat_rows.py [FOLDER]     needs transformers 5 and jinja2 3.1.6
"""
import datetime
import json
import pathlib
import sys

import chat_snippets
import jinja2
from transformers.utils import chat_template_utils as chat

ROOT = pathlib.Path(__file__).resolve().parents[2]
NOW = datetime.datetime(2024, 7, 26, 13, 5, 9)


class Clock(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW


chat.datetime = Clock


def rendered(source, variables):
    """Text and generation spans in bytes; what went wrong when it raises."""
    try:
        compiled = chat._cached_compile_jinja_template(source)
        blocks, spans = [], []
        with compiled.environment.activate_tracker(blocks, spans):
            for block in compiled.generate(**variables):
                blocks.append(block)
        text = "".join(blocks)
        text.encode()
    except RecursionError:
        return {"raises": "RecursionError"}
    except Exception as error:  # any of them ends the rendering
        return {"raises": f"{type(error).__name__}: {error}"[:100]}
    out = {"expected": text}
    if spans:
        out["spans"] = [[len(text[:a].encode()), len(text[:b].encode())] for a, b in spans]
    return out


def write(path, rows):
    text = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)
    assert len(text.encode()) <= 300 * 1024, f"{path}: {len(text.encode())} bytes"
    path.write_text(text, encoding="utf-8")


def snippet_rows():
    for source in chat_snippets.SNIPPETS:
        outcome = {"refused": True} if source in chat_snippets.REFUSED else rendered(source, chat_snippets.VARIABLES)
        yield {"template": source, **outcome}


def conversation_rows(folder):
    """Every template on every conversation, with and without tools and generation prompt, as apply_chat_template calls it."""
    for path in sorted((folder / "templates").glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        for name, messages in chat_snippets.CONVERSATIONS.items():
            for tools in (None, chat_snippets.TOOLS):
                for prompt in (False, True):
                    messages_seen = chat._alias_reasoning_fields(chat._normalize_chat_messages(messages))
                    variables = {"messages": messages_seen, "tools": tools, "documents": None, "add_generation_prompt": prompt,
                                 "bos_token": "<s>", "eos_token": "</s>"}
                    yield {"template": path.name, "conversation": name, "tools": tools is not None, "prompt": prompt, **rendered(source, variables)}


def main():
    folder = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "tests" / "golden" / "fixtures" / "text" / "chat"
    assert jinja2.__version__ == "3.1.6", jinja2.__version__
    write(folder / "snippets.jsonl", snippet_rows())
    (folder / "variables.json").write_text(json.dumps(chat_snippets.VARIABLES, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    conversations = {"conversations": chat_snippets.CONVERSATIONS, "tools": chat_snippets.TOOLS}
    (folder / "conversations.json").write_text(json.dumps(conversations, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    write(folder / "conversations.jsonl", conversation_rows(folder))


if __name__ == "__main__":
    main()
