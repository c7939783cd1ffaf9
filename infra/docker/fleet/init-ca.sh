#!/bin/sh
# Makes a root and the issuing CA `issuing`, once, in the CA folder, which is then mounted by init-tokens.sh
# only. What ingest, sign and status need, certificates and serial keys, is copied to the trust folder.
set -eu
ca=${CA_FOLDER:-/var/lib/certmill/ca}
trust=${TRUST_FOLDER:-/var/lib/certmill/trust}

if [ ! -e "$ca/ca/issuing/chain.pem" ]; then
  # Where certificates say that their status is told: what STATUS_URL leads to in front of the service `status`.
  certmill.mjs ca init issuing --data "$ca" --organization 'Certmill development' \
    ${STATUS_URL:+--status-url "$STATUS_URL" --crl-shards "${CRL_SHARDS:-1}"}
fi
for issuer in "$ca"/ca/*/; do
  name=$(basename "$issuer")
  if [ "$name" = root ]; then continue; fi
  mkdir -p "$trust/ca/$name"
  for file in certificate.pem chain.pem status.json revoked-cas.json ca.crl; do
    if [ -e "$issuer/$file" ]; then install -m 0644 "$issuer/$file" "$trust/ca/$name"; fi
  done
done
install -m 0600 "$ca/serial-keys.json" "$trust/serial-keys.json"
