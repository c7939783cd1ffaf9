#!/usr/bin/env bash
# Makes one set of CSRs per tool that is on this machine: usage: make-interop-csrs.sh OUT_DIR
# Keys are thrown away; only CSRs and a README with commands and versions stay. A tool that is not
# there is skipped and said so. Names: <key>.pem without, <key>-ext.pem with extensionRequest,
# <key>-sha1.pem and <key>-md5.pem with a digest that Certmill refuses.
# Debian packages: openssl gnutls-bin libnss3-tools libmbedtls-dev gcc default-jdk-headless maven
# golang; Python with the package cryptography.
set -euo pipefail

out=$(mkdir -p "${1:?usage: make-interop-csrs.sh OUT_DIR}" && cd "$1" && pwd)
sources=$(cd "$(dirname "$0")/interop-csrs" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

has() { command -v "$1" > /dev/null 2>&1; }

# begin TOOL VERSION: an empty folder with the head of its README.
begin() {
  dir=$out/$1
  rm -rf "$dir"
  mkdir -p "$dir"
  printf '# CSRs made by %s\n\n%s\n\n' "$1" "$2" > "$dir/README.md"
  echo "$1: $2"
}
# note FILE COMMAND: how a file was made.
note() { printf -- '- `%s`: `%s`\n' "$1" "$2" >> "$dir/README.md"; }
# run FILE COMMAND...: runs it in the work folder and notes it, without the folders of this machine.
run() {
  local file=$1 command
  shift
  command=$*
  command=${command//$dir\//}
  note "$file" "${command//$work\//}"
  (cd "$work" && "$@") > "$work/log" 2>&1 || { cat "$work/log" >&2; return 1; }
}

openssl_set() {
  begin openssl "$(openssl version)"
  cat > "$work/openssl.cnf" <<'CNF'
[req]
distinguished_name = dn
[dn]
[ext]
basicConstraints = CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectAltName = DNS:device.example, URI:urn:device:1
CNF
  note openssl.cnf "$(tr '\n' ' ' < "$work/openssl.cnf")"
  local key ext name
  for key in p256 p384 p521 ed25519 rsa2048 rsa3072 rsa4096; do
    case $key in
      p256) set -- ec -pkeyopt ec_paramgen_curve:P-256 ;;
      p384) set -- ec -pkeyopt ec_paramgen_curve:P-384 ;;
      p521) set -- ec -pkeyopt ec_paramgen_curve:P-521 ;;
      ed25519) set -- ed25519 ;;
      rsa*) set -- "rsa:${key#rsa}" ;;
    esac
    for ext in '' ext; do
      name=$key${ext:+-ext}
      run "$name.pem" openssl req -new -newkey "$@" -noenc -keyout key.pem -config openssl.cnf \
        -subj "/O=Example/CN=openssl-$name" ${ext:+-reqexts ext} -out "$dir/$name.pem"
    done
  done
  for key in p256-sha1 rsa2048-sha1 rsa2048-md5; do
    case $key in
      p256*) set -- ec -pkeyopt ec_paramgen_curve:P-256 ;;
      rsa*) set -- rsa:2048 ;;
    esac
    run "$key.pem" openssl req -new -newkey "$@" -noenc -keyout key.pem -config openssl.cnf \
      "-${key#*-}" -subj "/CN=openssl-$key" -out "$dir/$key.pem"
  done
  run p256-new-header-text.pem openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \
    -keyout key.pem -config openssl.cnf -subj /CN=openssl-p256-new-header-text -newhdr -text \
    -out "$dir/p256-new-header-text.pem"
  run p256-crlf.pem openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc \
    -keyout key.pem -config openssl.cnf -subj /CN=openssl-p256-crlf -out "$dir/p256-crlf.pem"
  sed -i 's/$/\r/' "$dir/p256-crlf.pem"
  run p256.der openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout key.pem \
    -config openssl.cnf -subj /CN=openssl-p256-der -outform DER -out "$dir/p256.der"
}

certtool_set() {
  begin certtool "GnuTLS $(certtool --version | head -n 1)"
  local key ext name
  for key in p256 p384 p521 ed25519 rsa2048 rsa3072 rsa4096; do
    case $key in
      p256) set -- --key-type ecdsa --curve secp256r1 ;;
      p384) set -- --key-type ecdsa --curve secp384r1 ;;
      p521) set -- --key-type ecdsa --curve secp521r1 ;;
      ed25519) set -- --key-type ed25519 ;;
      rsa*) set -- --key-type rsa --bits "${key#rsa}" ;;
    esac
    run "$key.pem, $key-ext.pem" certtool --generate-privkey "$@" --outfile key.pem
    for ext in '' ext; do
      name=$key${ext:+-ext}
      printf 'cn = "certtool-%s"\norganization = "Example"\n' "$name" > "$work/$name.tmpl"
      [ -z "$ext" ] || printf 'dns_name = "device.example"\nsigning_key\ntls_www_client\n' \
        >> "$work/$name.tmpl"
      note "$name.tmpl" "$(tr '\n' ';' < "$work/$name.tmpl")"
      run "$name.pem" certtool --generate-request --load-privkey key.pem --template "$name.tmpl" \
        --no-text --outfile "$dir/$name.pem"
    done
  done
  printf 'cn = "certtool-rsa2048-sha1"\n' > "$work/sha1.tmpl"
  run key.pem certtool --generate-privkey --key-type rsa --bits 2048 --outfile key.pem
  run rsa2048-sha1.pem certtool --generate-request --load-privkey key.pem --template sha1.tmpl \
    --hash SHA1 --no-text --outfile "$dir/rsa2048-sha1.pem"
}

nss_set() {
  local version
  version=$(dpkg-query -W -f '${Version}' libnss3-tools 2> /dev/null || echo unknown)
  begin nss "certutil of NSS $version"
  mkdir -p "$work/nss"
  printf 'noise of a test key, not a secret: %s' "$(date +%s%N)" > "$work/noise"
  certutil -N -d "sql:$work/nss" --empty-password
  local key ext name
  for key in p256 p384 p521 rsa2048 rsa3072 rsa4096; do
    case $key in
      p256) set -- -k ec -q nistp256 ;;
      p384) set -- -k ec -q nistp384 ;;
      p521) set -- -k ec -q nistp521 ;;
      rsa*) set -- -k rsa -g "${key#rsa}" ;;
    esac
    for ext in '' ext; do
      name=$key${ext:+-ext}
      run "$name.pem" certutil -R -d "sql:nss" -s "CN=nss-$name,O=Example" "$@" -z noise -a \
        ${ext:+--extSAN dns:device.example --keyUsage digitalSignature,critical --extKeyUsage clientAuth} \
        -o "$dir/$name.pem"
    done
  done
  run rsa2048-sha1.pem certutil -R -d "sql:nss" -s CN=nss-rsa2048-sha1 -k rsa -g 2048 -Z SHA1 \
    -z noise -a -o "$dir/rsa2048-sha1.pem" || rm -f "$dir/rsa2048-sha1.pem"
}

go_set() {
  begin go "$(go version | cut -d' ' -f3), crypto/x509"
  cp "$sources/make-csrs.go" "$work/make-csrs.go"
  note '*.pem' 'go run infra/native/interop-csrs/make-csrs.go DIR'
  (cd "$work" && GOFLAGS=-mod=mod GO111MODULE=off go run make-csrs.go "$dir")
}

keytool_set() {
  begin keytool "$(java -version 2>&1 | head -n 1)"
  local key ext name
  for key in p256 p384 p521 ed25519 rsa2048 rsa3072 rsa4096; do
    case $key in
      p256) set -- -keyalg EC -groupname secp256r1 ;;
      p384) set -- -keyalg EC -groupname secp384r1 ;;
      p521) set -- -keyalg EC -groupname secp521r1 ;;
      ed25519) set -- -keyalg Ed25519 ;;
      rsa*) set -- -keyalg RSA -keysize "${key#rsa}" ;;
    esac
    run "$key.pem, $key-ext.pem" keytool -genkeypair -keystore ks.p12 -storepass changeit \
      -alias "$key" "$@" -dname "CN=device" -validity 1
    for ext in '' ext; do
      name=$key${ext:+-ext}
      run "$name.pem" keytool -certreq -keystore ks.p12 -storepass changeit -alias "$key" \
        -dname "CN=keytool-$name, O=Example" \
        ${ext:+-ext san=dns:device.example -ext ku:critical=digitalSignature -ext eku=clientAuth} \
        -file "$dir/$name.pem"
    done
  done
  run rsa2048-sha1.pem keytool -certreq -keystore ks.p12 -storepass changeit -alias rsa2048 \
    -dname CN=keytool-rsa2048-sha1 -sigalg SHA1withRSA -file "$dir/rsa2048-sha1.pem"
  run rsa2048-md5.pem keytool -certreq -keystore ks.p12 -storepass changeit -alias rsa2048 \
    -dname CN=keytool-rsa2048-md5 -sigalg MD5withRSA -file "$dir/rsa2048-md5.pem"
}

bouncycastle_set() {
  cp "$sources/pom.xml" "$sources/MakeCsrs.java" "$work/"
  (cd "$work" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=jars) || {
    echo 'bouncycastle: skipped, its jars cannot be had' >&2
    return 0
  }
  local jar
  jar=$(basename "$work"/jars/bcpkix-*.jar .jar)
  begin bouncycastle "Bouncy Castle $jar on $(java -version 2>&1 | head -n 1)"
  note '*.pem' 'java -cp "jars/*" infra/native/interop-csrs/MakeCsrs.java DIR'
  (cd "$work" && java -cp "jars/*" MakeCsrs.java "$dir")
}

mbedtls_set() {
  begin mbedtls "Mbed TLS $(dpkg-query -W -f '${Version}' libmbedtls-dev 2> /dev/null || echo unknown)"
  note '*.pem' 'cc infra/native/interop-csrs/make-csrs.c -lmbedx509 -lmbedcrypto && ./a.out DIR'
  cc -o "$work/mbedtls-csrs" "$sources/make-csrs.c" -lmbedx509 -lmbedcrypto
  "$work/mbedtls-csrs" "$dir"
}

python_set() {
  begin python "$(python3 --version), cryptography $(python3 -c 'import cryptography as c; print(c.__version__)')"
  note '*.pem' 'python3 infra/native/interop-csrs/make_csrs.py DIR'
  python3 "$sources/make_csrs.py" "$dir"
}

if has openssl; then openssl_set; else echo 'openssl: skipped' >&2; fi
if has certtool; then certtool_set; else echo 'certtool: skipped (apt gnutls-bin)' >&2; fi
if has certutil; then nss_set; else echo 'nss: skipped (apt libnss3-tools)' >&2; fi
if has go; then go_set; else echo 'go: skipped' >&2; fi
if has keytool; then keytool_set; else echo 'keytool: skipped (a JDK)' >&2; fi
if has mvn && has java; then bouncycastle_set; else echo 'bouncycastle: skipped (JDK, Maven)' >&2; fi
if [ -e /usr/include/mbedtls/x509_csr.h ] && has cc; then mbedtls_set; else
  echo 'mbedtls: skipped (apt libmbedtls-dev gcc)' >&2
fi
if has python3 && python3 -c 'import cryptography' 2> /dev/null; then python_set; else
  echo 'python: skipped (pip cryptography)' >&2
fi
