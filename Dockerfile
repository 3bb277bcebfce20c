# syntax=docker/dockerfile:1
# One image, one process: `sidecar serve` is web edge, workers and pollers. It runs under any numeric user of group 0, with
# a read-only root file system, and writes to /data alone; docs/container.md says how.
#
# The tag below moves with security fixes. Whoever wants the same bytes every time names its digest as well, and moves it
# by hand: --build-arg PYTHON=python:3.13-slim-bookworm@sha256:... (docker buildx imagetools inspect shows it).
ARG PYTHON=python:3.13-slim-bookworm

FROM ${PYTHON} AS build

# What is installed goes into a virtual environment without pip; what builds and installs it stays behind, in /opt/tools.
# Only wheels, and only those whose hashes are locked: no package runs code of its own while it is installed.
COPY requirements.lock requirements-build.lock /src/
ENV PIP_CACHE_DIR=/var/cache/pip
RUN --mount=type=cache,target=/var/cache/pip \
    python -m venv /opt/tools \
    && python -m venv --without-pip /opt/sidecar \
    && /opt/tools/bin/pip install --quiet --only-binary :all: --require-hashes -r /src/requirements-build.lock \
    && /opt/tools/bin/pip --python /opt/sidecar/bin/python install --quiet --no-compile --only-binary :all: \
        --require-hashes -r /src/requirements.lock

WORKDIR /src
COPY pyproject.toml LICENSE ./
COPY sidecar sidecar
COPY adapters adapters
COPY prompts prompts
# Bytecode that is never compared with its source: the file system is read-only, and copying may change times.
RUN /opt/tools/bin/python -m hatchling build --target wheel --directory /src/dist \
    && /opt/tools/bin/pip --python /opt/sidecar/bin/python install --quiet --no-compile --no-deps --no-index /src/dist/*.whl \
    && /opt/sidecar/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/sidecar/lib

FROM ${PYTHON}

LABEL org.opencontainers.image.title="crm-sidecar" \
    org.opencontainers.image.description="Reads raw conversations and keeps your CRM up to date; headless" \
    org.opencontainers.image.licenses="Apache-2.0"

# The base image's library has no bytecode, its pip is not needed, and nothing here may raise its rights. The volume
# belongs to group 0, because platforms that choose the user at random (OpenShift) leave the group at 0.
RUN python -m compileall -q -j 0 -x '/(test|tests|idlelib|lib2to3|site-packages)/' \
        "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')" \
    && rm -rf /usr/local/lib/python3.*/site-packages/pip* /usr/local/bin/pip* \
    && find / -xdev -type f -perm /6000 -exec chmod a-s {} + \
    && mkdir -m 0770 /data

COPY --from=build /opt/sidecar /opt/sidecar

# Relative paths in the config count from the folder it is in: with /config.toml, the default data/journal.db is on the
# volume, and prompts/ and secrets/ are /prompts and /secrets. What SQLite sorts on disk stays on the volume too.
ENV PATH=/opt/sidecar/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    SIDECAR_CONFIG=/config.toml \
    SQLITE_TMPDIR=/data

WORKDIR /data
VOLUME ["/data"]
EXPOSE 8080
USER 10001:0
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 CMD ["sidecar", "healthcheck"]
ENTRYPOINT ["sidecar"]
CMD ["serve"]
