# syntax=docker/dockerfile:1
# The worker, which also applies migrations, is the last target and so the default one; `deploy` is what deploys the
# functions to LocalStack. docs/containers.md says how to use them.
#
# Base images are pinned by tag, not by digest: pin the digest where it can be looked up.

FROM python:3.12-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PATH=/venv/bin:$PATH
WORKDIR /app

# The base image's pip installs into the environment, so that the environment has none of its own.
FROM base AS install-worker
COPY requirements-worker.txt ./
RUN python -m venv --without-pip /venv \
    && /usr/local/bin/python -m pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --require-hashes --no-deps --only-binary :all: -r requirements-worker.txt \
    && python -m compileall -q --invalidation-mode unchecked-hash /venv

# This one keeps its pip: `chalice deploy` runs it. One requirement, localstack-client, comes as source only.
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
# Files come with the rights that they have in the checkout, which may be for one user only. Nothing that runs here
# installs anything.
RUN chmod -R a+rX chalicelib \
    && python -m compileall -q --invalidation-mode unchecked-hash chalicelib \
    && rm -rf /usr/local/lib/python3.12/site-packages/* /usr/local/lib/python3.12/ensurepip /usr/local/bin/pip*
USER 10001:10001
# What malloc gets from the kernel in one piece it gets in large pages: docs/decisions.md, "Large pieces of memory".
ENV SLUICE_HEALTH_FILE=/tmp/worker.health \
    GLIBC_TUNABLES=glibc.malloc.hugetlb=1
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["sh", "-c", "test \"$(find \"$SLUICE_HEALTH_FILE\" -newermt '15 seconds ago')\""]
CMD ["python", "-m", "chalicelib.worker"]
