#!/command/with-contenv /opt/hermes/docker/verbs/setup
