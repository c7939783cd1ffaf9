import { readFileSync } from 'node:fs';
import { pemEncode } from '@certmill/der';
import { inspect } from '../inspect/inspect.js';
import { lintCertificate } from './lint-certificate.js';
import { lintMatterAttestation, type MatterProduct } from './lint-matter-attestation.js';
import { readLintedCertificate } from './linted-certificate.js';

interface MatterVector {
  readonly name: string;
  readonly description: string;
  readonly valid: boolean;
  readonly dacDerHex: string;
  readonly paiDerHex: string;
}

const vectors = readFileSync(
  new URL('../../test-data/matter/attestation.ndjson', import.meta.url),
  'utf8',
)
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as MatterVector);

/** Where the pair is well made, and the commissionee of the SDK's test says it is another product. */
const products: Readonly<Record<string, MatterProduct>> = {
  struct_dac_subject_pid_mismatch: { vendorId: 'FFF1', productId: '8000' },
};

const bytes = (hex: string): Uint8Array => Buffer.from(hex, 'hex');
const good = vectors.find(({ name }) => name === 'struct_dac_sig_curve_prime256v1')!;
const other = vectors.find(({ name }) => name === 'struct_pai_cert_version_v3')!;

describe('lintMatterAttestation', () => {
  it('has the fifty-one pairs of the SDK to agree with', () => {
    expect(vectors).toHaveLength(51);
    expect(vectors.filter(({ valid }) => valid).length).toBeGreaterThanOrEqual(15);
  });

  it.each(vectors)('agrees with the Matter SDK on $name', (vector) => {
    const findings = lintMatterAttestation(
      bytes(vector.dacDerHex),
      bytes(vector.paiDerHex),
      undefined,
      products[vector.name],
    );
    expect({ valid: findings.length === 0, findings }).toMatchObject({ valid: vector.valid });
  });

  // What the inspection cannot know is which product the device says it is.
  const inspected = vectors.filter(({ name }) => products[name] === undefined);
  it.each(inspected)('and so does the inspection of a file with both: $name', (vector) => {
    const file = [vector.dacDerHex, vector.paiDerHex]
      .map((hex) => pemEncode('CERTIFICATE', bytes(hex)))
      .join('');
    const items = inspect(Buffer.from(file));
    // As `certmill inspect --fail-on-findings` exits.
    const valid = items.every(({ object }) => object?.findings.length === 0);
    expect({ valid, items }).toMatchObject({ valid: vector.valid });
  });

  it('finds a device certificate under an intermediate that did not sign it', () => {
    const rules = lintMatterAttestation(bytes(good.dacDerHex), bytes(other.paiDerHex)).map(
      ({ rule }) => rule,
    );
    expect(rules).toEqual(expect.arrayContaining(['chain-key-identifier', 'chain-signature']));
  });

  it('finds an intermediate where the authority above should be', () => {
    const findings = lintMatterAttestation(
      bytes(good.dacDerHex),
      bytes(good.paiDerHex),
      bytes(good.paiDerHex),
    );
    expect(findings.map(({ rule }) => rule)).toEqual(
      expect.arrayContaining(['paa-self-issued', 'paa-basic-constraints', 'chain-name']),
    );
    expect(findings.every(({ detail }) => /^(DAC|PAI|PAA): /.test(detail))).toBe(true);
  });

  it('says of what is no certificate that it is none', () => {
    const findings = lintMatterAttestation(bytes('3000'), bytes(good.paiDerHex));
    expect(findings.map(({ rule, detail }) => [rule, detail.slice(0, 4)])).toEqual([
      ['certificate-is-der', 'DAC:'],
    ]);
  });

  it('never throws on a pair with one octet changed', () => {
    const der = bytes(good.dacDerHex);
    for (let at = 0; at < der.length; at += 1) {
      const changed = der.slice();
      changed[at] = (changed[at] ?? 0) ^ 0x80;
      // Any change shows: whatever else it does, the signature no longer holds.
      expect(lintMatterAttestation(changed, bytes(good.paiDerHex))).not.toEqual([]);
    }
  });
});

describe('the ids of a Matter certificate', () => {
  const der = bytes(good.dacDerHex);

  it('are those of the attributes, not of a commonName that says otherwise', () => {
    const mixed = vectors.find(({ name }) => name === 'struct_dac_vidpid_fallback_encoding_15')!;
    const { subjectAttributes } = readLintedCertificate(bytes(mixed.dacDerHex))!;
    expect(subjectAttributes.some(({ value }) => value.content.includes(0x3a))).toBe(true);
    expect(lintCertificate(bytes(mixed.dacDerHex), { conformsTo: 'matter-dac' })).toEqual([]);
  });

  it('are upper-case hex digits in a UTF8String', () => {
    const at = Buffer.from(der).lastIndexOf(Buffer.from('0c0446464631', 'hex'));
    expect(at).toBeGreaterThan(0);
    const lower = der.slice();
    lower.set(Buffer.from('fff1'), at + 2);
    const printable = der.slice();
    printable[at] = 0x13;
    for (const changed of [lower, printable]) {
      const findings = lintCertificate(changed, { conformsTo: 'matter-dac' });
      expect(findings.map(({ detail }) => detail)).toContain(
        'the vendor id is four upper-case hex digits in a UTF8String',
      );
    }
  });
});
