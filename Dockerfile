# Reverie for processors, as a user who is not root. docs/containers.md says how to use it, and how these steps are
# tried where no engine runs (container/rehearse.py).
FROM python:3.11-slim AS build
# The address of PyTorch's own index for processors: torch as PyPI has it for Linux brings gigabytes of CUDA.
ARG PIP_EXTRA_INDEX_URL
WORKDIR /src
COPY pyproject.toml constraints.txt sbom.cdx.json README.md LICENSE ./
COPY bench/peers.py bench/
COPY src src
RUN python3 -m venv /opt/reverie
RUN /opt/reverie/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt .

FROM python:3.11-slim
COPY --from=build /opt/reverie /opt/reverie
RUN useradd --create-home --uid 1000 driver && install -d -o driver -g driver /data
ENV PATH=/opt/reverie/bin:$PATH
USER driver
WORKDIR /data
# Through every stage once: an image in which something is missing is not made, and what numba has compiled stays.
RUN reverie train debug --run /tmp/debug --quiet && rm -r /tmp/debug
ENTRYPOINT ["reverie"]
CMD ["--help"]
