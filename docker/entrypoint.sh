#!/command/execlineb -S0
# The entry point of earlier images, for compose files and scripts that still name it.
# It is execline, since a POSIX shell drops variables with names that are invalid in a shell.
/command/foreground {
  /command/fdmove -c 1 2
  /bin/echo "entrypoint.sh: deprecated; leave out --entrypoint: the image's own is /init"
}
/command/unexport ?
/init /opt/hermes/docker/main-wrapper.sh $@
