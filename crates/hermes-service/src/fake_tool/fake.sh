#!/bin/sh
# The fake program of a service manager. Tests call it through a symlink, so $0 leads to the directory of the test.
# It appends its arguments to <directory>/calls. Then it evaluates the next file in <directory>/<verb>/; the last one stays.
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
