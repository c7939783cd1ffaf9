#!/bin/sh
# Makes a root and the issuing CA `issuing`, once, in the CA folder, which is then mounted by init-tokens.sh
# only. What ingest, sign and status need, certificates, serial keys and what was revoked, is copied to the trust
# folder; run again after a change, services see it without a restart.
set -eu
ca=${CA_FOLDER:-/var/lib/certmill/ca}
trust=${TRUST_FOLDER:-/var/lib/certmill/trust}

if [ ! -e "$ca/ca/issuing/chain.pem" ]; then
  # Where certificates say that their status is told: what STATUS_URL leads to in front of the service `status`.
  certmill.mjs ca init issuing --data "$ca" --organization 'Certmill development' \
    ${STATUS_URL:+--status-url "$STATUS_URL" --crl-shards "${CRL_SHARDS:-1}"}
fi
# Services may be reading: each file is there as a whole, or as it was.
give() {
  mkdir -p "$(dirname "$3")"
  install -m "$1" "$2" "$3.new"
  mv "$3.new" "$3"
}
for issuer in "$ca"/ca/*/; do
  name=$(basename "$issuer")
  if [ "$name" = root ]; then continue; fi
  # The chain last: without it a folder is no issuer yet.
  for file in certificate.pem ca.json status.json retired.json revoked-cas.json ca.crl chain.pem; do
    if [ -e "$issuer/$file" ]; then give 0644 "$issuer/$file" "$trust/ca/$name/$file"; fi
  done
  for copy in "$issuer"/delegates/*.pem; do
    if [ -e "$copy" ]; then give 0644 "$copy" "$trust/ca/$name/delegates/$(basename "$copy")"; fi
  done
done
for crl in "$ca"/ca-crls/*.pem; do
  if [ -e "$crl" ]; then give 0644 "$crl" "$trust/ca-crls/$(basename "$crl")"; fi
done
give 0600 "$ca/serial-keys.json" "$trust/serial-keys.json"
