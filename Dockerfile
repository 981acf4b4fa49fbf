# One image for all processes. The command chooses one: up, serve, work, migrate, gateway (see docker-compose.yml and k8s/).
FROM python:3.11.15-slim-bookworm AS build
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /app
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --locked --no-dev --no-install-project
COPY rangkiang/ rangkiang/
COPY chassis/ chassis/
COPY services/ services/
COPY gateway/ gateway/
RUN uv sync --locked --no-dev --no-editable \
    && .venv/bin/python -P -c 'from gateway.web.page_templates import compile_templates; compile_templates()'

FROM python:3.11.15-slim-bookworm
# pg_dump and pg_restore, for `rangkiang backup`. They must not be older than the server in k8s/ and docker-compose.yml. The
# other package is for `rangkiang z3950 --listen`.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends postgresql-client-15 libnet-z3950-simple2zoom-perl && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin rangkiang \
    && install -d -o rangkiang -g rangkiang /data \
    && install -d -o rangkiang -g rangkiang -m 700 /keys /tls
COPY --from=build /app/.venv /app/.venv
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA=/data MASTER_KEY_FILE=/keys/master-key HOST=0.0.0.0 LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
# The key that seals personal data has a separate volume, so that copies of /data do not contain it.
VOLUME ["/data", "/keys"]
EXPOSE 8080 50051
# For `up` and `gateway`. docker-compose.yml replaces it for the other commands, and Kubernetes uses its own probes.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import http.client, os, ssl; \
address = '127.0.0.1', int(os.environ.get('PORT') or 8080); \
tls = os.environ.get('TLS_CERT'); \
connection = http.client.HTTPSConnection(*address, timeout=4, context=ssl._create_unverified_context()) if tls else \
http.client.HTTPConnection(*address, timeout=4); \
connection.request('GET', '/api/v1/health/live'); raise SystemExit(connection.getresponse().status != 200)"]
ENTRYPOINT ["rangkiang"]
CMD ["up"]
