#!/bin/sh
# Makes the keys of the fleet, once, and gives each service those of its own hops.
# make-keys.sh add|seal|drop takes one step of a rotation; restart the services before the next one.
set -eu
keys=${KEYS_FOLDER:-/var/lib/certmill/keys}

if [ ! -e "$keys/all/manifest-key.pem" ]; then certmill.mjs fleet keys --out "$keys/all"; fi
if [ $# -gt 0 ]; then certmill.mjs fleet keys --out "$keys/all" --rotate "$1"; fi

give() {
  service=$1
  shift
  for file in "$@"; do install -m 0400 "$keys/all/$file" "$keys/$service/$file"; done
}
give ingest hop-received.json hop-status.json manifest-key.pem
give validate hop-received.json hop-validated.json
give sign hop-validated.json hop-issued.json hop-status.json
give publish hop-issued.json
