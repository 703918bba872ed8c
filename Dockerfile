# syntax=docker/dockerfile:1
# The default target, the last one, is the worker, which also applies migrations. The target `deploy` deploys the
# functions to LocalStack. docs/how-to/run-in-containers.md says how to use both.
#
# Base images are pinned by tag. Pin the digest where you build for production.

FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/venv/bin:$PATH
WORKDIR /app

# The base image's pip installs into the environment, so that the environment contains no pip.
FROM base AS install-worker
COPY requirements-worker.txt ./
RUN python -m venv --without-pip /venv \
    && /usr/local/bin/python -m pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --no-deps --only-binary :all: -r requirements-worker.txt \
    && python -m compileall -q --invalidation-mode unchecked-hash /venv

# This environment keeps its pip, which `chalice deploy` runs. localstack-client is available as source only.
FROM base AS install-deploy
COPY requirements-dev.txt ./
RUN python -m venv /venv \
    && python -m pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --no-deps -r requirements-dev.txt

FROM base AS deploy
COPY --from=install-deploy /venv /venv
COPY app.py requirements.txt requirements-worker.txt ./
COPY .chalice/ .chalice/
COPY chalicelib/ chalicelib/
COPY infra/ infra/
RUN chmod -R a+rX . && mkdir .local && chown 10001:10001 .local
USER 10001:10001
ENV HOME=/tmp
CMD ["python", "-m", "infra.compose.deploy"]

FROM base AS worker
COPY --from=install-worker /venv /venv
COPY chalicelib/ chalicelib/
# Copied files keep the permissions of the checkout, which may be for one user only. Nothing is installed at run time,
# so pip is removed.
RUN chmod -R a+rX chalicelib \
    && python -m compileall -q --invalidation-mode unchecked-hash chalicelib \
    && rm -rf /usr/local/lib/python3.12/site-packages/* /usr/local/lib/python3.12/ensurepip /usr/local/bin/pip*
USER 10001:10001
# malloc uses large pages for large allocations: docs/explanation/performance-notes.md, "Memory of a worker".
ENV SLUICE_HEALTH_FILE=/tmp/worker.health \
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["sh", "-c", "test \"$(find \"$SLUICE_HEALTH_FILE\" -newermt '15 seconds ago')\""]
CMD ["python", "-m", "chalicelib.worker"]
