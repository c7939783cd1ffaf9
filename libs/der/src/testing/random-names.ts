import { encodeOid, encodeSequence, encodeSetOf, encodeTlv } from '../encoding/der-encode.js';
import { oids } from '../encoding/oids.js';
import { tags } from '../encoding/tags.js';
import { aNameAttribute } from './a-certification-request.js';
import type { SeededRandom } from './seeded-random.js';

export const PRINTABLE_ALPHABET =
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 -.:/'()+,=?";
export const UNICODE_ALPHABET = `${PRINTABLE_ALPHABET}\u00e4\u00f6\u00df\u00f1\u4e2d\u6587\u03a9\u0436\u{1f600}"\\;<>#@*&_`;
export const HOST_ALPHABET = 'abcdefghijklmnopqrstuvwxyz0123456789-';

const nameTypes = [
  oids.id_at_commonName,
  oids.id_at_serialNumber,
  oids.id_at_organizationName,
  oids.id_at_organizationalUnitName,
  oids.id_at_countryName,
  oids.id_at_localityName,
  oids.id_emailAddress,
  oids.id_domainComponent,
  oids.matter_at_vendorId,
  // No arc above 2^31: the oracle cannot encode those (2.25 UUIDs) again.
  '2.999.1234567.1',
];

function aRandomAttribute(random: SeededRandom): Uint8Array {
  const oid = random.pick(nameTypes);
  if (oid === oids.id_emailAddress || oid === oids.id_domainComponent) {
    return aNameAttribute(oid, tags.ia5String, random.text(HOST_ALPHABET, 20));
  }
  if (random.chance(0.3)) {
    return aNameAttribute(oid, tags.printableString, random.text(PRINTABLE_ALPHABET, 30));
  }
  const maxLength = random.chance(0.05) ? 300 : 30;
  return aNameAttribute(oid, tags.utf8String, random.text(UNICODE_ALPHABET, maxLength));
}

/** A Name of up to six RDNs, some multi-valued. */
export function aRandomName(random: SeededRandom): Uint8Array {
  const rdns = Array.from({ length: random.below(7) }, () => {
    const width = random.chance(0.1) ? 2 + random.below(2) : 1;
    return encodeSetOf(...Array.from({ length: width }, () => aRandomAttribute(random)));
  });
  return encodeSequence(...rdns);
}

/** A GeneralName of any form that devices have. */
export function aRandomGeneralName(random: SeededRandom): Uint8Array {
  const ia5 = (tag: number, text: string): Uint8Array => encodeTlv(tag, Buffer.from(text));
  switch (random.below(8)) {
    case 0:
      return ia5(0x81, `${random.text(HOST_ALPHABET, 10)}@${random.text(HOST_ALPHABET, 10)}`);
    case 1:
      return ia5(0x86, `https://${random.text(HOST_ALPHABET, 20)}/`);
    case 2:
      return encodeTlv(0x87, random.bytes(random.chance(0.5) ? 4 : 16));
    case 3:
      return encodeTlv(0xa4, aRandomName(random));
    case 4:
      return encodeTlv(0x88, encodeOid(`1.3.6.1.4.1.${random.below(100_000)}`).subarray(2));
    case 5:
      return encodeTlv(
        0xa0,
        encodeOid(oids.id_on_hardwareModuleName),
        encodeTlv(
          0xa0,
          encodeSequence(
            encodeOid(`1.3.6.1.4.1.${random.below(100_000)}`),
            encodeTlv(tags.octetString, random.bytes(random.below(20))),
          ),
        ),
      );
    default:
      return ia5(0x82, `${random.text(HOST_ALPHABET, 20)}.example`);
  }
}
