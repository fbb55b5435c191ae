# The gateway for production: one image, three commands (tregua migrate, serve, work). See compose.yaml.

FROM python:3.11-slim-bookworm AS build
WORKDIR /srv/tregua
COPY requirements.txt requirements-otel.txt ./
# What not everybody needs: --build-arg EXTRAS=otel sends traces where OTEL_EXPORTER_OTLP_ENDPOINT says.
ARG EXTRAS=""
RUN python -m venv /opt/tregua \
 && for pinned in requirements.txt ${EXTRAS:+requirements-$EXTRAS.txt}; do \
      /opt/tregua/bin/python -m pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: -r "$pinned" || exit 1; \
    done \
 && /opt/tregua/bin/python -m pip uninstall --yes setuptools pip
COPY . .
RUN python tools/bootstrap.py link /opt/tregua \
 && /opt/tregua/bin/python -m compileall -q -j 0 . \
 && rm -r tools

FROM python:3.11-slim-bookworm
RUN groupadd --system --gid 10001 tregua \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /srv/tregua --shell /usr/sbin/nologin tregua
COPY --from=build /opt/tregua /opt/tregua
COPY --from=build /srv/tregua /srv/tregua
ENV PATH=/opt/tregua/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TREGUA_HOST=0.0.0.0 \
    TREGUA_PORT=8080
# An operator's tregua.toml is mounted here.
WORKDIR /etc/tregua
# By number: whoever must not run as root can tell that this is not (Kubernetes' runAsNonRoot).
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["tregua"]
CMD ["serve"]
