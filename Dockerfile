# The whole workflow in one image, pinned by requirements.lock, run as an ordinary user.
FROM python:3.11-slim-bookworm@sha256:0bee7276f83efd4a1ee05bbbf4281d95ed28e079220a9457f25a93e3f1e3c31b
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git=1:2.39.* make=4.3-* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 ldae
WORKDIR /opt/ldae-adni
COPY --chown=ldae:ldae . .
RUN chown ldae:ldae /opt/ldae-adni
USER 1000
RUN make setup sbom
ENV PATH="/opt/ldae-adni/.venv/bin:$PATH"
ENTRYPOINT ["snakemake"]
CMD ["--profile", "profiles/local", "--configfile", "config/small_networks.yaml", "config/demo.yaml"]
