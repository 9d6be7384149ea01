#!/bin/sh
# Stands above a browser: keeper.sh FOLDER PROGRAM [ARGUMENT…] runs the program with its files in the folder, until the end
# of standard input. Then it kills all that the program started, and removes the folder. See driver.rs.
trap '' HUP INT TERM
folder=$1
shift
# A process group of its own, whose number is the program's PID. What leaves it (the handlers of crashes do) is known by
# its environment.
TMPDIR=$folder HOME=$folder setsid -- "$@" > "$folder/driver.log" 2>&1 < /dev/null &
group=$!

# Whether one of the group lives: the dead are there until PID 1 looks after them, which may take its time.
lives() {
  for stat in /proc/[0-9]*/stat; do
    read -r line 2> /dev/null < "$stat" || continue
    # What follows the name, in parentheses: state, parent, group.
    # shellcheck disable=SC2086 # in words
    set -- ${line##*) }
    if [ "$3" = "$group" ] && [ "$1" != Z ] && [ "$1" != X ]; then return 0; fi
  done
  return 1
}

cat > /dev/null

# `-s KILL --` is POSIX's way to name a group; with `-KILL`, dash takes the `--` for a PID.
kill -s KILL -- "-$group" || kill -s KILL "$group"
looks=0
while [ "$looks" -lt 250 ]; do
  looks=$((looks + 1))
  others=$(grep -sl -- "TMPDIR=$folder" /proc/[0-9]*/environ | cut -d / -f 3)
  # shellcheck disable=SC2086 # one a word
  if [ -n "$others" ]; then kill -s KILL $others; fi
  if [ -z "$others" ] && ! lives; then break; fi
  # What was killed takes a moment to be gone, and may write a file until then.
  sleep 0.02
done
rm -rf -- "$folder"
