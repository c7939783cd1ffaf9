// Makes CSRs with Go's crypto/x509: usage: make-csrs DIR.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"path/filepath"
)

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	keys := map[string]crypto.Signer{
		"p256":    must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		"p384":    must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		"p521":    must(ecdsa.GenerateKey(elliptic.P521(), rand.Reader)),
		"ed25519": ed,
		"rsa2048": must(rsa.GenerateKey(rand.Reader, 2048)),
		"rsa3072": must(rsa.GenerateKey(rand.Reader, 3072)),
		"rsa4096": must(rsa.GenerateKey(rand.Reader, 4096)),
	}
	for name, key := range keys {
		write(name, key, x509.CertificateRequest{})
		write(name+"-ext", key, x509.CertificateRequest{
			DNSNames: []string{"device.example"},
			ExtraExtensions: []pkix.Extension{{
				Id:       asn1.ObjectIdentifier{2, 5, 29, 15},
				Critical: true,
				Value:    []byte{3, 2, 7, 0x80},
			}},
		})
	}
	write("p256-sha512", keys["p256"], x509.CertificateRequest{
		SignatureAlgorithm: x509.ECDSAWithSHA512,
	})
}

func write(name string, key crypto.Signer, template x509.CertificateRequest) {
	template.Subject = pkix.Name{CommonName: "go-" + name, Organization: []string{"Example"}}
	der := must(x509.CreateCertificateRequest(rand.Reader, &template, key))
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	if err := os.WriteFile(filepath.Join(os.Args[1], name+".pem"), text, 0o644); err != nil {
		panic(err)
	}
}
