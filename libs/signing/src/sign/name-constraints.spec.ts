import {
  compileTemplate,
  dNSName,
  extension,
  fixed,
  generalNames,
  type NameConstraints,
  oids,
  signatureAlgorithmDer,
  tbsCertificateTemplate,
  tbsSlots,
} from '@certmill/der';
import { assertNamesWithin } from './issuance-rules.js';

const constraints: readonly NameConstraints[] = [
  { permitted: [{ kind: 'dNSName', value: 'example.com' }], excluded: [] },
  { permitted: [], excluded: [{ kind: 'dNSName', value: 'secret.example.com' }] },
];
const emptyName = Uint8Array.of(0x30, 0);

function aTbs(name: string): Uint8Array {
  const template = tbsCertificateTemplate({
    signatureAlgorithm: signatureAlgorithmDer('ecdsa-sha256'),
    issuerNameDer: emptyName,
    subject: fixed(emptyName),
    extensions: [extension(oids.id_ce_subjectAltName, true, generalNames(dNSName(name)))],
  });
  const values = template.createValues();
  values.setBytes(template.slotIndex(tbsSlots.serialNumber), Uint8Array.of(1));
  values.setSeconds(template.slotIndex(tbsSlots.notBefore), 0);
  values.setSeconds(template.slotIndex(tbsSlots.notAfter), 1);
  values.setBytes(template.slotIndex(tbsSlots.spki), Uint8Array.of(0x30, 0));
  const out = new Uint8Array(512);
  return out.slice(template.write(out, out.length, values));
}

function faultOf(tbs: Uint8Array): unknown {
  try {
    assertNamesWithin(constraints, tbs, 0, tbs.length);
    return undefined;
  } catch (error) {
    return error;
  }
}

describe('assertNamesWithin', () => {
  it.each(['a.example.com', 'EXAMPLE.com'])('takes %s', (name) => {
    expect(faultOf(aTbs(name))).toBeUndefined();
  });

  it.each(['example.org', 'a.secret.example.com', '*.com'])(
    'refuses %s before it is signed',
    (name) => {
      expect(faultOf(aTbs(name))).toMatchObject({
        code: 'FAULT_LINT_FAILED',
        message: expect.stringContaining('4.2.1.10') as string,
      });
    },
  );

  it('refuses what it cannot read', () => {
    const tbs = compileTemplate(fixed(Uint8Array.of(0x30, 1, 5)));
    const out = new Uint8Array(16);
    const at = tbs.write(out, out.length, tbs.createValues());
    expect(faultOf(out.slice(at))).toMatchObject({ code: 'FAULT_LINT_FAILED' });
  });
});
