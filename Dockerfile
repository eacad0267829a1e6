# Candil, its relay and a FHIR server to try it with, from one base. The base is Debian 12, because
# that is where the tests run: the same Python, the same coturn.

FROM debian:bookworm-slim AS base
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/candil --create-home --shell /usr/sbin/nologin candil
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/candil/bin:$PATH

FROM base AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-venv
RUN python3 -m venv /opt/candil
WORKDIR /src
# Dependencies first: they change less often than the program.
COPY requirements.lock ./
RUN /opt/candil/bin/pip install --no-cache-dir -r requirements.lock
COPY . .
RUN /opt/candil/bin/pip install --no-cache-dir --no-deps .

# A FHIR R4 server to see records arrive in; a clinic puts its own EHR in its place.
FROM build AS build-fhir
COPY requirements-demo.lock ./
RUN /opt/candil/bin/pip install --no-cache-dir -r requirements-demo.lock

FROM base AS fhir
COPY --from=build-fhir /opt/candil /opt/candil
USER candil
WORKDIR /var/lib/candil
EXPOSE 8090
CMD ["sekmet", "serve", "--host", "0.0.0.0", "--port", "8090"]

FROM base AS turn
# The package's installation makes the (empty) user database that coturn insists on.
RUN apt-get update \
 && apt-get install -y --no-install-recommends coturn \
 && rm -rf /var/lib/apt/lists/* \
 && chown -R candil:candil /var/lib/turn
COPY --from=build /opt/candil /opt/candil
COPY deploy/compose/run-coturn /usr/local/bin/run-coturn
USER candil
EXPOSE 3478/udp 3478/tcp 5349/tcp
CMD ["run-coturn"]

FROM base AS app
COPY --from=build /opt/candil /opt/candil
USER candil
WORKDIR /var/lib/candil
VOLUME /var/lib/candil
EXPOSE 8080/tcp 8081/udp 8081/tcp
ENTRYPOINT ["candil"]
CMD ["serve"]
