"""Closes streams of the package openai in the middle. Prints a JSON value a line."""

import json
import os

import openai

client = openai.OpenAI(base_url=os.environ["URL"], api_key=os.environ["KEY"], max_retries=0, timeout=30)
chat = {"model": "hermes-agent", "messages": [{"role": "user", "content": "go on"}]}
session = {"X-Hermes-Session-Id": "long"}

stream = client.chat.completions.create(stream=True, extra_headers=session, **chat)
for chunk in stream:
    if chunk.choices[0].delta.content:
        break
try:
    client.chat.completions.create(extra_headers=session, **chat)
except openai.ConflictError as error:
    print(json.dumps([error.code, error.response.headers["retry-after"]]))
stream.close()

stream = client.responses.create(model="hermes-agent", input="go on", stream=True)
for event in stream:
    if event.type == "response.output_text.delta":
        break
stream.close()
print(json.dumps([client.chat.completions.create(**chat).choices[0].message.content]))
