"""Chats with a gateway through the package openai. Prints a JSON value a line."""

import json
import os

import openai

client = openai.OpenAI(base_url=os.environ["URL"], api_key=os.environ["KEY"], max_retries=0, timeout=30)


def show(*values):
    print(json.dumps(values))


def chat(text, headers=None, **options):
    messages = [{"role": "system", "content": "Be short."}, {"role": "user", "content": text}]
    chats = client.chat.completions.with_raw_response
    return chats.create(model="hermes-agent", messages=messages, extra_headers=headers, **options)


show([model.id for model in client.models.list()], client.models.retrieve("hermes-agent").owned_by)

answer = chat("whole").parse()
choice = answer.choices[0]
show(choice.message.role, choice.message.content, choice.finish_reason, answer.usage.total_tokens)

pieces, reasons, tokens = [], [], 0
for chunk in chat("streamed", stream=True, stream_options={"include_usage": True}).parse():
    if chunk.usage:
        tokens = chunk.usage.total_tokens
    for choice in chunk.choices:
        pieces.append(choice.delta.content or "")
        reasons.append(choice.finish_reason)
show("".join(pieces), sum(1 for piece in pieces if piece), reasons[-1], tokens)

# The helper of the package assembles the chunks by itself, and is stricter than the loop above.
with client.chat.completions.stream(
    model="hermes-agent", messages=[{"role": "user", "content": "assembled"}]
) as stream:
    show(stream.get_final_completion().choices[0].message.content)

for text in ("first", "second"):
    answer = chat(text, {"X-Hermes-Session-Id": "colours"})
    show(answer.headers["x-hermes-session-id"], answer.parse().choices[0].message.content)

once = {"Idempotency-Key": "order-1"}
for _ in range(2):
    answer = chat("only once", once)
    show(answer.headers.get("idempotent-replayed"), answer.parse().choices[0].message.content)
try:
    chat("another text", once)
except openai.UnprocessableEntityError as error:
    show(error.code)
