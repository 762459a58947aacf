#!/usr/bin/env bash
# Print the path of a Python 3.10: the one named in $PYTHON, else one from the PATH, pyenv or uv.
# Without one: a line on standard error that says how to get it, and status 1.
set -euo pipefail

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

# The interpreter that command $1 stands for, if it runs and is a Python 3.10. A pyenv shim can exist and not run; the
# Python of a virtual environment, perhaps of the .venv about to be made anew, stands for the one it was made from.
base_python() {
    local answer
    answer=$("$1" -I -c 'import sys; print("%d.%d" % sys.version_info[:2], sys._base_executable)' 2>/dev/null) || return 1
    [[ $answer == "3.10 /"* ]] && printf '%s\n' "${answer#3.10 }"
}

candidates() {
    type -ap python3.10 || true
    printf '%s\n' "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.10*/bin/python3.10
    uv python find --system 3.10 2>/dev/null || true
}

if [[ -n ${PYTHON:-} ]]; then
    base_python "$PYTHON" ||
        fail "PYTHON=$PYTHON is not a Python 3.10 that runs; name another one, or none to have it looked for"
    exit
fi
while IFS= read -r candidate; do
    base_python "$candidate" && exit
done <<<"$(candidates)"
fail "no Python 3.10 found (NNabla has no packages for later ones); get one with 'uv python install 3.10'," \
     "'pyenv install 3.10' or, where the system has it, 'apt-get install python3.10-venv', then run make again;" \
     "or name yours: make PYTHON=/path/to/python3.10"
