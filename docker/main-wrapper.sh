#!/command/execlineb -S0
# The command of every container: `hermes` decides what the arguments mean,
# becomes the account `hermes` for good, and becomes that program.
# Execline, since a POSIX shell drops variables whose names it cannot have.
/opt/hermes/bin/hermes container run -- $@
