# An image with OceanPath for CPUs and for NVIDIA GPUs, as published packages of torch support them.
# This recipe is not built by the tests.
#   docker build -t oceanpath .
#   docker run --rm -v "$PWD:/data" -w /data oceanpath run experiment.toml
FROM python:3.11-slim
COPY . /src
RUN python -m pip install --no-cache-dir -c /src/constraints.txt "/src[encoders,formats,excel]" && rm -rf /src
RUN useradd --create-home oceanpath
USER oceanpath
ENTRYPOINT ["oceanpath"]
CMD ["--help"]
