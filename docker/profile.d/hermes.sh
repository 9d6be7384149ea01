# shellcheck shell=sh
# The environment of a login shell. Before this, Debian's /etc/profile replaces PATH, and `su -` clears the other variables.
case ":$PATH:" in
  *:/opt/hermes/bin:*) ;;
  *) export PATH="/opt/hermes/bin:$PATH" ;;
esac
if [ -z "${HERMES_HOME:-}" ]; then
  HERMES_HOME=$(cat /run/s6/container_environment/HERMES_HOME 2> /dev/null) || HERMES_HOME=/opt/data
  export HERMES_HOME
fi
