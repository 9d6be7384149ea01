#!/bin/sh
# The entry point of earlier images, kept for whoever still names it.
echo "entrypoint.sh: deprecated; leave out --entrypoint, the image's own is /init" >&2
exec /init /opt/hermes/docker/main-wrapper.sh "$@"
