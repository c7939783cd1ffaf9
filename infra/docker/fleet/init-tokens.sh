#!/bin/sh
# Puts the key of the issuing CA `issuing` into two SoftHSM tokens, once, each with a PIN of its own. A PIN is
# written when its token is whole; a token without one is made again. The keys of OCSP responders are files
# of sign: their passphrase is made here too.
set -eu
ca=${CA_FOLDER:-/var/lib/certmill/ca}
pins=${PINS_FOLDER:-/var/lib/certmill/pins}
passphrase=$(cat "${CERTMILL_CA_PASSPHRASE_FILE:-$ca/ca/development-passphrase}")
umask 077

secret() { node -e "process.stdout.write(require('node:crypto').randomBytes(16).toString('hex'))"; }

if [ ! -e "$pins/responders" ]; then
  secret > "$pins/responders.new"
  mv "$pins/responders.new" "$pins/responders"
fi

for token in certmill-a certmill-b; do
  if [ -e "$pins/$token" ]; then continue; fi
  softhsm2-util --delete-token --token "$token" > /dev/null 2>&1 || true
  pin=$(secret)
  softhsm2-util --init-token --free --label "$token" --pin "$pin" --so-pin "$(secret)"
  softhsm2-util --import "$ca/ca/issuing/key.pem" --file-pin "$passphrase" \
    --token "$token" --pin "$pin" --label issuing --id 01
  printf '%s' "$pin" > "$pins/$token.new"
  mv "$pins/$token.new" "$pins/$token"
done
