# syntax=docker/dockerfile:1
# One image for the four services and the edge's renderer, which carries the page; compose.yaml says
# what each runs.
# EXTRA=cpu or gpu chooses the one onnxruntime.
ARG PYTHON=3.11.14-slim-bookworm
ARG NODE=24.11.1-bookworm-slim

FROM node:${NODE} AS page
WORKDIR /app/clients/web
COPY clients/web/package.json clients/web/package-lock.json clients/web/.npmrc ./
RUN npm ci
COPY protos /app/protos
COPY clients/web ./
RUN npm run generate && npm run build

FROM python:${PYTHON} AS build
ARG EXTRA=cpu
RUN apt-get update \
 && apt-get install --yes --no-install-recommends make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /app
ENV LOOKALIKE_CACHE=/opt/lookalike PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The slow part first: it is made again only when what it reads changes.
COPY Makefile pyproject.toml constraints.txt README.md LICENSE ./
COPY clients/python clients/python
COPY protos protos
COPY models models
RUN make models && rm -rf "${LOOKALIKE_CACHE}/downloads"
COPY servicekit servicekit
COPY services services
# Without the tools that only building needs; the stubs are inside the client's wheel.
RUN python -m venv /opt/venv \
 && /opt/venv/bin/python -m pip install -c constraints.txt ./clients/python ".[${EXTRA}]"

FROM python:${PYTHON} AS runtime
RUN groupadd --system --gid 10001 lookalike \
 && useradd --system --uid 10001 --gid lookalike --home-dir /nonexistent lookalike \
 && install -d -o lookalike -g lookalike /config
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/lookalike/models /opt/lookalike/models
COPY deploy /app/deploy
COPY --from=page /app/clients/web/dist /app/clients/web/dist
WORKDIR /app
ENV PATH=/opt/venv/bin:${PATH} LOOKALIKE_CACHE=/opt/lookalike \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER lookalike
STOPSIGNAL SIGTERM
CMD ["python", "-c", "raise SystemExit('say which service: python -m services.NAME')"]
