"""Talks to the stand-in through the package anthropic. Prints a JSON value a line."""

import json
import os

import anthropic

client = anthropic.Anthropic(base_url=os.environ["URL"], api_key="a-key", max_retries=0, timeout=30)
tools = [{"name": "weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}]


def show(*values):
    print(json.dumps(values))


def ask(messages):
    return {"model": "some-model", "max_tokens": 64, "messages": messages, "tools": tools}


def attempt(do):
    try:
        show("no error", str(do()))
    except anthropic.APIStatusError as error:
        show(type(error).__name__, error.status_code, error.body["error"]["type"], error.body["error"]["message"])


hi = [{"role": "user", "content": "hi"}]
show([model.id for model in client.models.list()])
whole = client.messages.create(**ask(hi))
show(whole.content[0].text, whole.stop_reason, whole.usage.input_tokens, whole.usage.output_tokens)
with client.messages.stream(**ask(hi)) as stream:
    pieces = list(stream.text_stream)
    final = stream.get_final_message()
show("".join(pieces), len(pieces), final.content[0].text, final.stop_reason, final.usage.output_tokens)

# The model thinks, calls a tool, and reads the result.
with client.messages.stream(**ask(hi)) as stream:
    called = stream.get_final_message()
use = called.content[-1]
show([block.type for block in called.content], use.name, use.input, called.stop_reason)
result = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
attempt(lambda: client.messages.create(**ask([*hi, {"role": "assistant", "content": called.content}, *hi])))
conversation = [*hi, {"role": "assistant", "content": called.content}, {"role": "user", "content": [result]}]
show(client.messages.create(**ask(conversation)).content[0].text)

for _ in range(2):
    attempt(lambda: client.messages.create(**ask(hi)))


def whole_stream():
    with client.messages.stream(**ask(hi)) as stream:
        return stream.get_final_message()


attempt(whole_stream)
