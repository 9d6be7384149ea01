#!/bin/sh
# The command of every container: `hermes` decides what the arguments mean,
# becomes the account `hermes` for good, and becomes that program.
exec /opt/hermes/bin/hermes container run -- "$@"
