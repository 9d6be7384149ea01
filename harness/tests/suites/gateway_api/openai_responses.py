"""Uses the Responses of a gateway through the package openai. Prints a JSON value a line."""

import json
import os

import openai

client = openai.OpenAI(base_url=os.environ["URL"], api_key=os.environ["KEY"], max_retries=0, timeout=30)


def show(*values):
    print(json.dumps(values))


first = client.responses.create(model="hermes-agent", input="first", instructions="Be short.")
show(first.output_text, first.status, first.usage.total_tokens)

types, numbers = [], []
for event in client.responses.create(
    model="hermes-agent", input="second", previous_response_id=first.id, stream=True
):
    if event.type not in types:
        types.append(event.type)
    numbers.append(event.sequence_number)
    if event.type == "response.completed":
        second = event.response
show(second.output_text, types, numbers == list(range(len(numbers))))

# The helper of the package assembles the events by itself, and is stricter than the loop above.
with client.responses.stream(model="hermes-agent", input="third") as stream:
    show(stream.get_final_response().output_text)

show(client.responses.retrieve(second.id).output_text)
try:
    client.responses.create(model="hermes-agent", input="too late", previous_response_id=first.id)
except openai.ConflictError as error:
    show(error.code)
client.responses.delete(second.id)
try:
    client.responses.retrieve(second.id)
except openai.NotFoundError as error:
    show(error.code)
