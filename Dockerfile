# The image: Debian with its s6 and execline, and the programs `/init` and `hermes`.
#
# `cargo xtask image` uses binaries of the host (BINARIES=prebuilt, in the context as prebuilt/). A plain `docker build .`
# compiles them in a stage. The layout is the same.
#
# The frontend inside Docker 20.10 is enough: no syntax line (BuildKit would pull that frontend), no here-documents, no
# linked copies. BuildKit does not resolve stages that the result does not need.

ARG BASE=debian:trixie-slim
ARG RUST_IMAGE=rust:1-slim-trixie
ARG BINARIES=built

# --- The binaries, compiled in a stage ------------------------------------------------------------
FROM ${RUST_IMAGE} AS compile
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates crates
COPY harness harness
COPY xtask xtask
# Cargo compares the times of files, and the cached target directory may come from another checkout. So `touch` makes cargo
# compile our crates again, and their dependencies come from the cache.
RUN --mount=type=cache,id=hermes-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=hermes-target,target=/src/target \
    find crates -type f -exec touch {} + \
 && RUSTFLAGS='-C target-feature=+crt-static' \
    cargo build --release --locked --target "$(uname -m)-unknown-linux-gnu" -p hermes -p hermes-init \
 && install -D -m 0755 target/*-unknown-linux-gnu/release/init /out/init \
 && install -D -m 0755 target/*-unknown-linux-gnu/release/hermes /out/opt/hermes/bin/hermes

FROM scratch AS binaries-built
COPY --from=compile /out/ /out/

# --- The binaries, from the context ---------------------------------------------------------------
FROM scratch AS binaries-prebuilt
COPY --chmod=0755 prebuilt/init /out/init
COPY --chmod=0755 prebuilt/hermes /out/opt/hermes/bin/hermes

FROM binaries-${BINARIES} AS binaries

# --- The ground: packages, the account, directories -----------------------------------------------
FROM ${BASE} AS ground
# Every user can write /run, so that a container without root (a fixed UID, or a platform's random UID with group 0) can make
# its directories there. The engine gives a tmpfs on /run the mode of this /run. As root, /init closes it at each boot. The
# image has no directory in /run: /init would make it again at each boot, and to hide that of a layer takes milliseconds.
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

# --- The files of docker/, with exact modes whatever the umask of the checkout was ----------------
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

# --- The image ------------------------------------------------------------------------------------
FROM ground AS image
ENV HERMES_HOME=/opt/data \
    LANG=C.UTF-8 \
    PATH=/opt/hermes/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=layout /out/ /
COPY --from=binaries /out/ /
WORKDIR /opt/data
# The revision comes last, so that a new commit alone makes only this layer again.
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
