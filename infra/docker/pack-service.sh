#!/bin/sh
# pack-service.sh WORKSPACE OUT: copies what one service needs to run out of a built checkout, which is
# spent afterwards: its own production dependencies, and of our packages what is run.
set -eu
workspace=$1
out=$2

npm ci --workspace "$workspace" --omit=dev --ignore-scripts
# The only dependency that must be compiled: PKCS#11, where the service has it.
if [ -d node_modules/pkcs11js ]; then npm rebuild pkcs11js; fi
# An optional peer of @nestjs/swagger's plugin, at compile time only.
rm -rf node_modules/typescript node_modules/.bin node_modules/.package-lock.json

mkdir -p "$out"
cp -a node_modules "$out"
for link in node_modules/certmill-cli node_modules/@certmill/*; do
  [ -L "$link" ] || continue
  folder=$(realpath --relative-to=. "$link")
  mkdir -p "$out/$folder"
  for part in package.json bin dist profiles node_modules; do
    if [ -e "$folder/$part" ]; then cp -a "$folder/$part" "$out/$folder"; fi
  done
done
find "$out/apps" "$out/libs" \( -name '*.spec.js' -o -name '*.bench.js' -o -name '*.conformance.js' \
  -o -name '*.d.ts' -o -name '*.map' -o -name '*.tsbuildinfo' \) -delete
