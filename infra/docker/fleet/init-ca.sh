#!/bin/sh
# Makes a root and the issuing CA `issuing`, once, in the CA folder, which is then mounted by init-tokens.sh
# only. What ingest, sign and status need, certificates and serial keys, is copied to the trust folder.
set -eu
ca=${CA_FOLDER:-/var/lib/certmill/ca}
trust=${TRUST_FOLDER:-/var/lib/certmill/trust}

if [ ! -e "$ca/ca/issuing/chain.pem" ]; then
  certmill.mjs ca init issuing --data "$ca" --organization 'Certmill development'
fi
for issuer in "$ca"/ca/*/; do
  name=$(basename "$issuer")
  if [ "$name" = root ]; then continue; fi
  mkdir -p "$trust/ca/$name"
  install -m 0644 "$issuer/certificate.pem" "$issuer/chain.pem" "$trust/ca/$name"
done
install -m 0600 "$ca/serial-keys.json" "$trust/serial-keys.json"
