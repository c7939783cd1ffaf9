import {
  attributeTypeAndValue,
  authorityInfoAccess,
  authorityKeyIdentifier,
  basicConstraints,
  certificatePolicies,
  crlDistributionPoints,
  directoryName,
  dNSName,
  extension,
  extKeyUsage,
  generalNames,
  hardwareModuleName,
  iPAddress,
  keyUsage,
  otherName,
  rdnSequence,
  relativeDistinguishedName,
  rfc822Name,
  subjectKeyIdentifier,
  uniformResourceIdentifier,
} from './certificate-nodes.js';
import { encodeNull } from '../encoding/der-encode.js';
import { compileTemplate } from '../template/der-template.js';
import { oids } from '../encoding/oids.js';
import { fixed, type TemplateNode } from '../template/template-node.js';

function written(node: TemplateNode): string {
  const template = compileTemplate(node);
  const out = new Uint8Array(500);
  return Buffer.from(out.subarray(template.write(out, 500, template.createValues()))).toString(
    'hex',
  );
}

describe('certificate nodes', () => {
  test.each<[string, TemplateNode, string]>([
    [
      'a critical extension',
      extension('2.5.29.15', true, keyUsage(['digitalSignature'])),
      '300e0603551d0f0101ff040403020780',
    ],
    [
      'an extension',
      extension('2.5.29.19', false, basicConstraints(false)),
      '30090603551d1304023000',
    ],
    [
      'an RDN',
      rdnSequence(
        relativeDistinguishedName(attributeTypeAndValue(oids.id_at_commonName, 'utf8String', 'a')),
      ),
      '300c310a300806035504030c0161',
    ],
    [
      'a PrintableString',
      attributeTypeAndValue('2.5.4.6', 'printableString', 'DE'),
      '3009060355040613024445',
    ],
    ['an IA5String', attributeTypeAndValue('2.5.4.6', 'ia5String', 'a@'), '3009060355040616026140'],
    [
      'names',
      generalNames(dNSName('a'), rfc822Name('b'), uniformResourceIdentifier('c')),
      '3009820161810162860163',
    ],
    ['an address', iPAddress(Uint8Array.of(1, 2, 3, 4)), '870401020304'],
    ['a directoryName', directoryName(rdnSequence()), 'a4023000'],
    ['an otherName', otherName('1.2.3', fixed(encodeNull())), 'a00806022a03a0020500'],
    // RFC 4108 5: otherName { id-on-hardwareModuleName, [0] { hwType, hwSerialNum } }.
    [
      'a hardware module',
      hardwareModuleName('1.2.3', 'S'),
      'a01506082b06010505070804a009300706022a03040153',
    ],
    ['basicConstraints of a CA', basicConstraints(true, 0), '30060101ff020100'],
    ['keyUsage of a CA', keyUsage(['keyCertSign', 'cRLSign']), '03020106'],
    ['extKeyUsage', extKeyUsage([oids.id_kp_clientAuth]), '300a06082b06010505070302'],
    ['authorityKeyIdentifier', authorityKeyIdentifier(Uint8Array.of(1, 2)), '300480020102'],
    ['subjectKeyIdentifier', subjectKeyIdentifier(Uint8Array.of(1, 2)), '04020102'],
    ['one distribution point', crlDistributionPoints(['a', 'b']), '300c300aa008a006860161860162'],
    [
      'authorityInfoAccess',
      authorityInfoAccess({ ocsp: ['a'] }),
      '300f300d06082b06010505073001860161',
    ],
    ['certificatePolicies', certificatePolicies(['2.5.29.32.0']), '300830060604551d2000'],
  ])('%s', (_, node, hex) => {
    expect(written(node)).toBe(hex);
  });

  test.each([
    ['no key usage', () => keyUsage([])],
    ['no purpose', () => extKeyUsage([])],
    ['a path length without CA', () => basicConstraints(false, 0)],
    ['a negative path length', () => basicConstraints(true, -1)],
    ['a PrintableString with @', () => attributeTypeAndValue('2.5.4.6', 'printableString', '@')],
    ['an IA5String beyond ASCII', () => dNSName('\u00e4')],
    ['a lone surrogate', () => attributeTypeAndValue('2.5.4.3', 'utf8String', '\ud800')],
    ['an OID that is none', () => extKeyUsage(['1'])],
  ])('refuses %s', (_, build) => {
    expect(build).toThrow(expect.objectContaining({ code: 'argument-invalid' }) as Error);
  });
});
