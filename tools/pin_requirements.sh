#!/usr/bin/env bash
# Write requirements.txt and requirements-dev.txt from the .in files: every package with its exact version and hashes.
# Needs the .venv. Versions already pinned stay unless told otherwise: tools/pin_requirements.sh --upgrade
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

scratch=$(mktemp -d)
trap 'rm -rf -- "$scratch"' EXIT
.venv/bin/python -m venv "$scratch"
"$scratch/bin/python" -m pip install --quiet --disable-pip-version-check 'pip-tools>=7.5,<8'

export CUSTOM_COMPILE_COMMAND="make pins"
compile() {
    "$scratch/bin/pip-compile" --quiet --generate-hashes --allow-unsafe --strip-extras --no-emit-options \
        --no-emit-index-url --no-emit-trusted-host --no-emit-find-links "$@"
}
compile --output-file=requirements.txt "$@" requirements.in
compile --output-file=requirements-dev.txt --constraint=requirements.txt "$@" requirements-dev.in
