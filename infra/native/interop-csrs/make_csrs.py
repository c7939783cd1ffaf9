"""Makes CSRs with the Python package cryptography: usage: make_csrs.py DIR."""

import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import AttributeOID, ExtendedKeyUsageOID, NameOID

KEYS = {
    "p256": (lambda: ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
    "p384": (lambda: ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
    "p521": (lambda: ec.generate_private_key(ec.SECP521R1()), hashes.SHA512()),
    "ed25519": (ed25519.Ed25519PrivateKey.generate, None),
    "rsa2048": (lambda: rsa.generate_private_key(65537, 2048), hashes.SHA256()),
    "rsa3072": (lambda: rsa.generate_private_key(65537, 3072), hashes.SHA384()),
    "rsa4096": (lambda: rsa.generate_private_key(65537, 4096), hashes.SHA512()),
}
KEY_USAGES = (
    "digital_signature content_commitment key_encipherment data_encipherment "
    "key_agreement key_cert_sign crl_sign encipher_only decipher_only"
).split()


def builder(name: str) -> x509.CertificateSigningRequestBuilder:
    subject = [
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"),
        x509.NameAttribute(NameOID.COMMON_NAME, f"python-{name}"),
    ]
    return x509.CertificateSigningRequestBuilder().subject_name(x509.Name(subject))


def with_extensions(name: str) -> x509.CertificateSigningRequestBuilder:
    usage = x509.KeyUsage(**{key: key == "digital_signature" for key in KEY_USAGES})
    return (
        builder(name)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("device.example")]), False)
        .add_extension(usage, True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
        .add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"not-used")
    )


def main(folder: Path) -> None:
    for name, (generate, digest) in KEYS.items():
        key = generate()
        for made, request in (
            (name, builder(name)),
            (f"{name}-ext", with_extensions(f"{name}-ext")),
        ):
            pem = request.sign(key, digest).public_bytes(serialization.Encoding.PEM)
            (folder / f"{made}.pem").write_bytes(pem)


main(Path(sys.argv[1]))
