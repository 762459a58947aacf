#!/usr/bin/env bash
# Make .venv with the pinned packages, or do nothing if it is complete.
# The stamp .venv/.installed holds the checksums of the requirements that are installed and is written last, so neither
# an interrupted installation nor one with other pins is taken for complete.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

requirements=(requirements.txt requirements-dev.txt)
stamp=.venv/.installed

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

runs() {
    .venv/bin/python -c '' 2>/dev/null
}

complete() {
    sha256sum --check --status "$stamp" 2>/dev/null && runs
}

make_venv() {
    local python
    python=$(tools/find_python.sh)
    "$python" -c 'import ensurepip, venv' 2>/dev/null ||
        fail "$python cannot make virtual environments; get its module with 'apt-get install python3.10-venv'"
    echo "setup: making .venv with $python"
    "$python" -m venv --clear .venv || fail "$python could not make .venv (see above)"
}

install() {
    echo "setup: installing the pinned packages into .venv (150 MB to fetch, 550 MB on disk, about a minute; later runs skip this)"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary=:all: \
        "${requirements[@]/#/--requirement=}" ||
        fail "the packages were not installed (see above); check the network and run make again"
}

exec 9<requirements.txt # two runs at the same time: the second waits for the first
flock 9
complete && exit
if [[ -e $stamp ]] && runs; then
    rm -- "$stamp" # other pins than before: packages added by hand, such as nnabla-ext-cuda120, stay
else
    make_venv
fi
install
sha256sum -- "${requirements[@]}" >"$stamp.new"
mv -- "$stamp.new" "$stamp"
