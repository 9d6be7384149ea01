#!/bin/sh
# Stands in for tini, which earlier images started with: drops tini's own flags
# and goes on to /init, which does all that they asked for.
while [ $# -gt 0 ]; do
    case "$1" in
        --) shift; break ;;
        -p | -e) shift; [ $# -gt 0 ] && shift ;;
        -p?* | -e?*) shift ;;
        -[gsvw]*) shift ;;
        *) break ;;
    esac
done
exec /init /opt/hermes/docker/main-wrapper.sh "$@"
