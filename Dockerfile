# The same build with nothing on the host:  docker build --output out .
# It runs build.sh and decides nothing; build.sh installs what it needs.
FROM debian:13-slim AS build
WORKDIR /etcd-rescue
COPY . .
RUN ./build.sh image

FROM scratch
COPY --from=build /etcd-rescue/out/ /
