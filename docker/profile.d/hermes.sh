# shellcheck shell=sh
# The environment of a login shell. Debian's /etc/profile has replaced PATH by then, and `su -` has cleared the rest.
case ":$PATH:" in
  *:/opt/hermes/bin:*) ;;
  *) export PATH="/opt/hermes/bin:$PATH" ;;
esac
if [ -z "${HERMES_HOME:-}" ]; then
  HERMES_HOME=$(cat /run/s6/container_environment/HERMES_HOME 2> /dev/null) || HERMES_HOME=/opt/data
  export HERMES_HOME
fi
