"""Lints certificates with pkilint by RFC 5280, all in one process: its start takes seconds.

Arguments: files in DER. Prints one JSON object: file -> {finding: severity}.
"""

import json
import logging
import sys

from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

logging.disable(logging.CRITICAL)

validator = certificate.create_pkix_certificate_validator_container(
    certificate.create_decoding_validators(
        name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS
    ),
    [
        certificate.create_issuer_validator_container([]),
        certificate.create_validity_validator_container(),
        certificate.create_subject_validator_container([]),
        certificate.create_extensions_validator_container([]),
        certificate.create_spki_validator_container([]),
    ],
)


load = loader.RFC5280CertificateDocumentLoader().load_der_file


def findings_of(file):
    with open(file, "rb") as stream:
        results = validator.validate(load(stream, file).root)
    return {
        described.finding.code: described.finding.severity.name
        for result in results
        for described in result.finding_descriptions
        # The more severe, the lower the number.
        if described.finding.severity <= ValidationFindingSeverity.INFO
    }


print(json.dumps({file: findings_of(file) for file in sys.argv[1:]}, indent=2))
