import fc from 'fast-check';
import { hasControlCharacters, encodeSequence, oids, tags } from '@certmill/der';
import { rejectionCodeOf } from '@certmill/domain';
import type { Examination } from '@certmill/ports';
import { applyAllowList } from './decide-values.js';
import {
  aCsr,
  aName,
  aProfile,
  attribute,
  ecSigner,
  ed25519Signer,
  examine,
  extension,
  hardwareSan,
  rsaSigner,
} from './testing/a-csr.js';

fc.configureGlobal({ seed: 20261123 });

/** What every detail must be, whatever was in the request. */
function expectGoodDetails({ codes, details }: Pick<Examination, 'codes' | 'details'>): void {
  codes.forEach((code, index) => {
    const detail = details[index] ?? '';
    if ((code === 0) !== (detail === '')) throw new Error(`code ${String(code)}: '${detail}'`);
    if (detail.length > 300 || hasControlCharacters(detail) || !detail.isWellFormed()) {
      throw new Error(`bad detail ${JSON.stringify(detail)}`);
    }
    if (code !== 0 && rejectionCodeOf(code) === undefined) throw new Error(`code ${String(code)}`);
  });
}

const takesAll = aProfile({
  subject: [
    {
      type: 'organizationName',
      encoding: 'utf8',
      value: { from: ['csr.subject.organizationName', 'deviceId'], required: false },
    },
  ],
  csr: { otherSubjectAttributes: 'reject', ignoredExtensions: [] },
});

/** Single-octet changes: all 255 others, or a bit flip each and what DER is most sensitive to. */
function* mutationsOf(request: Uint8Array, all: boolean): Generator<Uint8Array> {
  for (let at = 0; at < request.length; at += 1) {
    const octet = request[at] ?? 0;
    const others = all
      ? Array.from({ length: 255 }, (_, i) => octet ^ (i + 1))
      : [1, 2, 4, 8, 16, 32, 64, 128].map((bit) => octet ^ bit);
    for (const other of others) {
      const copy = Uint8Array.from(request);
      copy[at] = other;
      yield copy;
    }
  }
}

describe('mutated requests', () => {
  /*
   * The rule: no change of any octet is accepted. Every octet of a request is either signed
   * (certificationRequestInfo), or the signature or its algorithm, or a tag or length that strict
   * DER leaves no choice for.
   */
  it.each([
    [
      'P-256, every value of every octet',
      aCsr({
        signer: ecSigner(),
        extensions: [
          extension(
            oids.id_ce_subjectAltName,
            encodeSequence(hardwareSan('1.3.6.1.4.1.32473.1', Buffer.of(1))),
          ),
        ],
      }),
      true,
    ],
    ['Ed25519, every bit', aCsr({ signer: ed25519Signer() }), false],
    ['RSA-2048, every bit', aCsr({ signer: rsaSigner() }), false],
  ])('are never accepted and never throw: %s', (_, request, all) => {
    expect(examine([request]).codes).toEqual([0]);
    let count = 0;
    for (const mutation of mutationsOf(request, all)) {
      const examination = examine([mutation]);
      expectGoodDetails(examination);
      if (examination.codes[0] === 0)
        throw new Error(`accepted: ${Buffer.from(mutation).toString('hex')}`);
      count += 1;
    }
    expect(count).toBe(request.length * (all ? 255 : 8));
  });

  it('are never accepted when cut, and never read beyond their end', () => {
    const request = aCsr();
    const cuts = Array.from({ length: request.length }, (_, length) => request.subarray(0, length));
    const examination = examine([...cuts.slice(-200), request]);
    expectGoodDetails(examination);
    expect(examination.codes.slice(0, -1)).not.toContain(0);
    expect(examination.codes.at(-1)).toBe(0);
  });
});

describe('details', () => {
  it('are short and free of control characters, whatever the request holds', () => {
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }));
    const octets = fc.uint8Array({ maxLength: 200 });
    const tag = fc.constantFrom(...Object.values(tags));
    const oid = fc.constantFrom(
      oids.id_at_commonName,
      oids.id_at_organizationName,
      oids.id_at_title,
      '2.999.1',
    );
    const one = fc.tuple(oid, fc.oneof(text, octets), tag);
    const requested = fc.tuple(
      fc.constantFrom(
        oids.id_ce_subjectAltName,
        oids.id_ce_basicConstraints,
        oids.id_ce_keyUsage,
        '1.2.3',
      ),
      octets,
    );
    fc.assert(
      fc.property(
        fc.array(one, { maxLength: 4 }),
        fc.array(requested, { maxLength: 3 }),
        text,
        text,
        (names, extensions, deviceId, serial) => {
          const request = aCsr({
            subject: aName(...names.map(([type, value, kind]) => attribute(type, value, kind))),
            extensions: extensions.map(([type, value]) => extension(type, value)),
          });
          const examination = examine([request, request], takesAll);
          expectGoodDetails(examination);
          const accepted = {
            codes: [0, 0],
            details: ['', ''],
            udids: examination.udids,
            deviceIds: [deviceId, ''],
            csrValues: [[], []],
          };
          expectGoodDetails(applyAllowList(takesAll, accepted, [{ serial }, { deviceId: serial }]));
          expectGoodDetails(applyAllowList(takesAll, accepted, [undefined, { deviceId }]));
        },
      ),
      { numRuns: 500 },
    );
  });

  it('never throw on bytes that are no request at all', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 20 }), (requests) => {
        const examination = examine(requests);
        expectGoodDetails(examination);
        expect(examination.codes).not.toContain(0);
      }),
      { numRuns: 300 },
    );
  });
});
