#!/bin/sh
# Counts the starts of a volume. Then runs the command, or waits for SIGTERM if there is none.
set -eu

starts=$(cat /srv/starts 2> /dev/null || echo 0)
starts=$((starts + 1))
echo "$starts" > /srv/starts
echo "start $starts of this volume"

if [ "$#" -gt 0 ]; then
  exec "$@"
fi

trap 'echo "goodbye"; exit 0' TERM
# The mark of readiness survives a restart of the container. So it names this process: field 22 of the line is the start
# time of PID 1 in ticks.
cut -d ' ' -f 22 /proc/1/stat > /run/app/ready
while true; do
  sleep 3600 &
  wait "$!"
done
