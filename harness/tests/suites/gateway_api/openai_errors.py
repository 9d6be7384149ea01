"""Prints the errors that the package openai raises: class, status and code as a JSON value a line, and the message."""

import json
import os

import openai

client = openai.OpenAI(base_url=os.environ["URL"], api_key=os.environ["KEY"], max_retries=0, timeout=30)


def attempt(do):
    try:
        print(json.dumps(["no error", str(do())]))
    except openai.APIStatusError as error:
        print(json.dumps([type(error).__name__, error.status_code, error.code, error.message]))
    except openai.APIError as error:
        print(json.dumps([type(error).__name__, None, error.code, error.message]))


def chat(**options):
    options = {"model": "hermes-agent", "messages": [{"role": "user", "content": "hi"}], **options}
    return client.chat.completions.create(**options)


attempt(lambda: client.with_options(api_key="hk_wrong").models.list())
attempt(lambda: client.models.retrieve("gpt-9"))
attempt(lambda: chat(model="gpt-9"))
attempt(lambda: chat(messages=[]))
attempt(lambda: client.with_options(base_url=os.environ["URL"] + "/nowhere").models.list())
# From here on the model server fails, in the order of its script.
for _ in range(int(os.environ["FAULTS"])):
    attempt(chat)
attempt(lambda: [chunk for chunk in chat(stream=True)])
events = [event for event in client.responses.create(model="hermes-agent", input="hi", stream=True)]
print(json.dumps([events[-1].type, None, events[-1].response.error.code, events[-1].response.error.message]))
