#!/bin/sh
# Builds zlint (https://github.com/zmap/zlint) into .cache/bin of the repository with the Go tool chain.
# The version is pinned: the recorded verdicts in libs/trust/test-data are of this one.
set -eu

version=v3.6.6
root=$(CDPATH= cd -- "$(dirname -- "$0")/../.." && pwd)
bin="$root/.cache/bin"

if [ -x "$bin/zlint" ]; then
  echo "zlint is there: $bin/zlint"
  exit 0
fi
if ! command -v go >/dev/null 2>&1; then
  echo "zlint is built with Go (1.21 or newer), and there is no 'go' on the PATH" >&2
  exit 1
fi
mkdir -p "$bin"
GOBIN="$bin" GOFLAGS=-mod=mod go install "github.com/zmap/zlint/v3/cmd/zlint@$version"
echo "installed $bin/zlint ($version)"
