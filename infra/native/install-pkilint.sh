#!/bin/sh
# Installs pkilint (https://github.com/digicert/pkilint) with Python's venv into the native cache:
# CERTMILL_NATIVE_CACHE, else .cache/native of the repository. Versions are pinned in pkilint/requirements.txt.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
version=$(sed -n 's/^pkilint==//p' "$here/pkilint/requirements.txt")
venv="${CERTMILL_NATIVE_CACHE:-$root/.cache/native}/pkilint-$version"

if [ -x "$venv/bin/python" ]; then
  echo "pkilint is there: $venv"
  exit 0
fi
if ! command -v python3 >/dev/null 2>&1; then
  echo "pkilint needs Python (3.10 or newer), and there is no 'python3' on the PATH" >&2
  exit 1
fi
# Made beside its place and moved there: one that was interrupted is never taken for a whole one.
part="$venv.part-$$"
trap 'rm -rf "$part"' EXIT
mkdir -p "$(dirname -- "$venv")"
python3 -m venv "$part"
"$part/bin/pip" install --quiet --disable-pip-version-check --require-virtualenv \
  --requirement "$here/pkilint/requirements.txt"
rm -rf "$venv"
mv "$part" "$venv"
echo "installed $venv"
