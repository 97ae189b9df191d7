# The controller's image: `docker build --tag headroom-controller:0.1.0 .`
#
# The base images are the two names below; `--build-arg` replaces them where only a mirror is
# reachable. The result holds one program and the C library that it links to, no shell.
ARG BUILDER=rust:1.95-slim-bookworm
ARG RUNTIME=gcr.io/distroless/cc-debian12:nonroot

FROM ${BUILDER} AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package headroom --no-default-features --features operator --bin headroom-controller

FROM ${RUNTIME}
COPY --from=build /src/target/release/headroom-controller /usr/local/bin/headroom-controller
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/headroom-controller"]
