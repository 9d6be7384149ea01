# The image: Debian, s6 and execline from Debian, and two programs of ours.
#
# `cargo xtask image` builds it with binaries made on the host (BINARIES=prebuilt, laid into the
# context as prebuilt/); a plain `docker build .` compiles them in a stage. The layout is the same.
#
# Nothing here needs a newer frontend than the one inside Docker 20.10: no syntax line (it would be
# pulled), no here-documents, no linked copies. Stages that the result does not need are not resolved.

ARG BASE=debian:trixie-slim
ARG RUST_IMAGE=rust:1-slim-trixie
ARG BINARIES=built

# --- The binaries, compiled here ------------------------------------------------------------------
FROM ${RUST_IMAGE} AS compile
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates crates
COPY harness harness
COPY xtask xtask
# The sources are touched since cargo goes by their times, and the kept target directory may come from
# another checkout. Ours are compiled anew, what they depend on is kept.
RUN --mount=type=cache,id=hermes-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=hermes-target,target=/src/target \
    find crates -type f -exec touch {} + \
 && RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --release --locked --target "$(uname -m)-unknown-linux-gnu" -p hermes -p hermes-init \
 && install -D -m 0755 target/*-unknown-linux-gnu/release/init /out/init \
 && install -D -m 0755 target/*-unknown-linux-gnu/release/hermes /out/opt/hermes/bin/hermes

FROM scratch AS binaries-built
COPY --from=compile /out/ /out/

# --- The binaries, handed in ----------------------------------------------------------------------
FROM scratch AS binaries-prebuilt
COPY --chmod=0755 prebuilt/init /out/init
COPY --chmod=0755 prebuilt/hermes /out/opt/hermes/bin/hermes

FROM binaries-${BINARIES} AS binaries

# --- What the programs stand on: packages, the account, directories -------------------------------
FROM ${BASE} AS ground
# Anybody may write in /run, so that a container that is started without root (a fixed UID, or a
# platform's random UID with group 0) makes its directories there. The engine gives a tmpfs on /run
# the mode of this /run. /init, as root, closes it again at each boot. The image has no directory
# there: /init would make it anew at each boot, and a layer costs it milliseconds to hide.
RUN export DEBIAN_FRONTEND=noninteractive \
 && apt-get update -q \
 && apt-get install -q -y --no-install-recommends ca-certificates execline ncurses-bin s6 \
 && apt-get clean \
 && rm -rf /var/lib/apt/lists/* /var/log/apt /var/log/dpkg.log /var/log/alternatives.log \
           /var/cache/debconf/*-old /var/cache/ldconfig/aux-cache \
 && groupadd --gid 10000 hermes \
 && useradd --uid 10000 --gid 10000 --no-log-init --no-create-home \
            --home-dir /opt/data --shell /bin/bash hermes \
 && sed -i 's|^\(ENV_\(SU\)\{0,1\}PATH[[:space:]]*PATH=\)|\1/opt/hermes/bin:|' /etc/login.defs \
 && rm -f /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow- \
 && mkdir -p /command /etc/cont-init.d /etc/cont-finish.d /etc/s6-overlay/s6-rc.d \
 && for tool in $(dpkg -L s6 execline); do \
      case "$tool" in \
        /usr/bin/* | /usr/lib/execline/bin/*) ln -sf "$tool" "/command/${tool##*/}" ;; \
      esac; \
    done \
 && ln -s /init /command/with-contenv \
 && ln -s /init /usr/bin/tini \
 && chmod 1777 /run \
 && install -d -o 10000 -g 0 -m 0775 /opt/data

# --- What goes in as it lies in docker/, with exact modes whatever the checkout's umask was --------
FROM ground AS layout
COPY docker /src/docker
COPY LICENSE /src/LICENSE
RUN mkdir -p /out/opt/hermes /out/etc/s6-overlay \
 && cp -R /src/docker /out/opt/hermes/docker \
 && cp /src/LICENSE /out/opt/hermes/LICENSE \
 && echo docker > /out/opt/hermes/.install_method \
 && for pair in cont-init.d:/out/etc/cont-init.d s6-rc.d:/out/etc/s6-overlay/s6-rc.d profile.d:/out/etc/profile.d; do \
      from="/out/opt/hermes/docker/${pair%%:*}"; \
      if [ -d "$from" ]; then mv "$from" "${pair#*:}"; fi; \
    done \
 && chmod -R u=rwX,go=rX /out

# --- The image -------------------------------------------------------------------------------------
FROM ground AS image
ENV HERMES_HOME=/opt/data \
    LANG=C.UTF-8 \
    PATH=/opt/hermes/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=layout /out/ /
COPY --from=binaries /out/ /
WORKDIR /opt/data
# The revision comes last: a new commit alone re-makes this layer and nothing else.
ARG HERMES_BUILD_SHA=
RUN if [ -n "$HERMES_BUILD_SHA" ]; then echo "$HERMES_BUILD_SHA" > /opt/hermes/.hermes_build_sha; fi
LABEL org.opencontainers.image.title="hermes" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.revision="${HERMES_BUILD_SHA}"
VOLUME /opt/data
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["/opt/hermes/bin/hermes", "health"]
ENTRYPOINT ["/init", "/opt/hermes/docker/main-wrapper.sh"]
CMD []
