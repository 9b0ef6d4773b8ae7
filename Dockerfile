# syntax=docker/dockerfile:1

FROM rust:1.95-slim-bookworm AS builder
# A C and C++ compiler with OpenSSL and zlib is what librdkafka and Zstandard are built with. The versions are those of
# the Debian release that the base image names: older ones leave its mirrors, so a pinned one would stop this build.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gcc g++ make pkg-config libssl-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
# Cargo.toml names the benchmark, and the demo embeds pipelines: without them there is no build.
COPY benches benches
COPY pipelines pipelines
COPY src src
# What was downloaded and built stays in caches of the builder. They are no part of the image, so the program is moved
# out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --locked --release \
    && install -D target/release/streamgauge /out/streamgauge

FROM debian:bookworm-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 9101 streamgauge \
    && useradd --uid 9101 --gid streamgauge --no-create-home --shell /usr/sbin/nologin streamgauge \
    && install -d -o streamgauge -g streamgauge /var/lib/streamgauge
COPY --from=builder /out/streamgauge /usr/local/bin/streamgauge
COPY pipelines /etc/streamgauge/pipelines
# What is counted, and how far sources are, outlives the container if this is a volume that does.
VOLUME /var/lib/streamgauge
# A number, so that Kubernetes can see for itself that this is not root.
USER 9101:9101
EXPOSE 9101
# Bash of the base image asks by itself, so no HTTP client is installed for this alone. It asks whether the process runs
# and not whether it is ready: with a broker away it is not ready, but to restart it would not help.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9101 && printf 'GET /-/healthy HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [ \"$status\" = 200 ]"]
ENTRYPOINT ["streamgauge"]
CMD ["run", "/etc/streamgauge/pipelines", "--web.listen-address", "0.0.0.0:9101", "--state.dir", "/var/lib/streamgauge"]
