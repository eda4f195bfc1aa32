# Three images from one file:
#   docker build --target serving -t towerbridge .                    answers requests; no training framework inside
#   docker build --target training -t towerbridge-training .          imports, embeds, trains and builds bundles
#   docker build --target training-gpu -t towerbridge-training:gpu .  the same, on an NVIDIA GPU

FROM python:3.12-slim-bookworm AS wheel
WORKDIR /src
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.12-slim-bookworm AS serving-packages
COPY --from=wheel /wheels /wheels
# The wheel's own name carries the extra, so that the image and `pip install "towerbridge[serve]"` cannot differ.
RUN python -m venv /opt/towerbridge \
    && wheel=$(ls /wheels/towerbridge-*.whl) \
    && /opt/towerbridge/bin/pip install --no-cache-dir --no-compile "towerbridge[serve] @ file://$wheel" \
    && /opt/towerbridge/bin/pip uninstall --yes pip

FROM python:3.12-slim-bookworm AS training-user
RUN useradd --create-home --uid 10001 towerbridge && install -d -o towerbridge /data
ENV PATH=/opt/towerbridge/bin:$PATH PYTHONUNBUFFERED=1 TOWERBRIDGE_HOME=/data
WORKDIR /data
VOLUME /data
ENTRYPOINT ["towerbridge"]
CMD ["--help"]

FROM training-user AS training
COPY --from=wheel /wheels /wheels
# Builds of torch without CUDA are two gigabytes smaller, and only there.
RUN python -m venv /opt/towerbridge \
    && wheel=$(ls /wheels/towerbridge-*.whl) \
    && /opt/towerbridge/bin/pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu \
        "towerbridge[train] @ file://$wheel"
USER 10001

FROM training-user AS training-gpu
COPY --from=wheel /wheels /wheels
# torch and TensorFlow bring CUDA as packages; of the host only the driver is needed (nvidia-container-toolkit).
RUN python -m venv /opt/towerbridge \
    && wheel=$(ls /wheels/towerbridge-*.whl) \
    && /opt/towerbridge/bin/pip install --no-cache-dir \
        "towerbridge[train] @ file://$wheel" "tensorflow[and-cuda]>=2.21,<2.22"
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001

FROM python:3.12-slim-bookworm AS serving
RUN useradd --create-home --uid 10001 towerbridge && install -d -o towerbridge /data
COPY --from=serving-packages /opt/towerbridge /opt/towerbridge
ENV PATH=/opt/towerbridge/bin:$PATH PYTHONUNBUFFERED=1 TOWERBRIDGE_HOME=/data
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/ready', timeout=2)"]
ENTRYPOINT ["towerbridge"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
