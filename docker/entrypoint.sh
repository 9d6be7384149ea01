#!/command/execlineb -S0
# The entry point of earlier images, kept for whoever still names it.
# Execline, since a POSIX shell drops variables whose names it cannot have.
/command/foreground {
  /command/fdmove -c 1 2
  /bin/echo "entrypoint.sh: deprecated; leave out --entrypoint: the image's own is /init"
}
/command/unexport ?
/init /opt/hermes/docker/main-wrapper.sh $@
