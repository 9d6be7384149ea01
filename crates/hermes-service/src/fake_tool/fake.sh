#!/bin/sh
# Stands in for a service manager's program in tests: through a symlink, so that $0 tells the test's own directory.
# Writes down how it is called, then does what the next file in <directory>/<verb>/ says; the last one stays.
here=$(dirname "$0")
echo "$*" >>"$here/calls"
for word; do
    case $word in
    -*) ;;
    *)
        verb=$word
        break
        ;;
    esac
done
[ -d "$here/${verb:=none}" ] || exit 0
set -- "$here/$verb"/*
text=$(cat "$1")
[ $# -eq 1 ] || rm "$1"
eval "$text"
