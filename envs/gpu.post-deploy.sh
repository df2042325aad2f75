#!/bin/sh
# Run by Snakemake in the new environment, from the repository root: the dependencies are pinned beside this file.
pip install --no-deps .
