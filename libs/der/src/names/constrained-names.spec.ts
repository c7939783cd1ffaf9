import {
  attributeTypeAndValue,
  rdnSequence,
  relativeDistinguishedName,
} from '../certificates/certificate-nodes.js';
import { type ConstrainedName, isWiderSubtree, isWithin } from './constrained-names.js';
import { compileTemplate } from '../template/der-template.js';
import type { GeneralSubtree, WritableSubtree } from './name-constraints.js';
import { oids } from '../encoding/oids.js';
import { readName } from './read-name.js';

function nameDer(...values: readonly string[]): Uint8Array {
  const rdns = values.map((value) =>
    relativeDistinguishedName(
      attributeTypeAndValue(oids.id_at_organizationName, 'utf8String', value),
    ),
  );
  const template = compileTemplate(rdnSequence(...rdns));
  const out = new Uint8Array(512);
  return out.slice(template.write(out, out.length, template.createValues()));
}

function directory(...values: readonly string[]): ConstrainedName {
  const der = nameDer(...values);
  const name = readName(der, 0, der.length);
  if (!name.ok) throw new Error(name.error.code);
  return { kind: 'directoryName', name: name.value };
}

const dns = (value: string) => ({ kind: 'dNSName', value }) as const;
const mail = (value: string) => ({ kind: 'rfc822Name', value }) as const;
const uri = (value: string) => ({ kind: 'uniformResourceIdentifier', value }) as const;
const ip = (hex: string) => ({ kind: 'iPAddress', octets: Buffer.from(hex, 'hex') }) as const;
const dn = (...values: readonly string[]) =>
  ({ kind: 'directoryName', nameDer: nameDer(...values) }) as const;
const other = (typeId: string) => ({ kind: 'otherName', typeId }) as const;

/** Subtree, name, whether the name is in it (RFC 5280 4.2.1.10). */
const cases: readonly (readonly [GeneralSubtree, ConstrainedName, boolean])[] = [
  [dns('example.com'), dns('example.com'), true],
  [dns('example.com'), dns('a.b.EXAMPLE.com'), true],
  [dns('example.com'), dns('badexample.com'), false],
  [dns('example.com'), dns('*.example.com'), true],
  [dns('example.com'), dns('*.com'), false],
  [dns('.example.com'), dns('example.com'), false],
  [dns('.example.com'), dns('a.example.com'), true],
  [dns(''), dns('anything'), true],
  [mail('example.com'), mail('ops@example.com'), true],
  [mail('example.com'), mail('ops@a.example.com'), false],
  [mail('.example.com'), mail('ops@a.example.com'), true],
  [mail('.example.com'), mail('ops@example.com'), false],
  [mail('ops@example.com'), mail('ops@EXAMPLE.com'), true],
  [mail('ops@example.com'), mail('Ops@example.com'), false],
  [uri('example.com'), uri('https://example.com/x'), true],
  [uri('example.com'), uri('https://user@example.com:8443?x'), true],
  [uri('example.com'), uri('https://a.example.com/'), false],
  [uri('.example.com'), uri('coap://a.example.com'), true],
  [uri('.example.com'), uri('coap://evil.test/.example.com'), false],
  [uri('example.com'), uri('https://example.com@evil.test/'), false],
  [uri('example.com'), uri('urn:dev:mac:1'), false],
  [uri('0.2'), uri('http://192.0.2.1/'), false],
  [ip('0a000000ff000000'), ip('0a010203'), true],
  [ip('0a000000ff000000'), ip('0b010203'), false],
  [ip('0a000000ff000000'), ip('0a010203'.repeat(4)), false],
  [dn('Example'), directory('EXAMPLE', 'Devices'), true],
  [dn('Example  Inc'), directory(' example inc '), true],
  [dn('Example', 'Devices'), directory('Example'), false],
  [dn('Example'), directory('Other', 'Example'), false],
];

describe('isWithin', () => {
  it.each(cases)('%j permits %j: %s', (subtree, name, isIn) => {
    expect(isWithin({ permitted: [subtree], excluded: [] }, name)).toBe(isIn);
  });

  it.each(cases.filter(([, name]) => !JSON.stringify(name).includes('*')))(
    '%j excludes %j: %s',
    (subtree, name, isIn) => {
      // What cannot be told of a URI without a host is refused both ways.
      const isUnclear = name.kind === 'uniformResourceIdentifier' && /^urn|\d\/$/.test(name.value);
      expect(isWithin({ permitted: [], excluded: [subtree] }, name)).toBe(!isIn && !isUnclear);
    },
  );

  it('lets names of other forms pass, and joins permitted subtrees', () => {
    const permitted = [dns('a.test'), dns('b.test')];
    expect(isWithin({ permitted, excluded: [] }, mail('ops@c.test'))).toBe(true);
    expect(isWithin({ permitted, excluded: [] }, dns('x.b.test'))).toBe(true);
    expect(isWithin({ permitted, excluded: [dns('x.b.test')] }, dns('x.b.test'))).toBe(false);
    expect(isWithin({ permitted: [], excluded: [dns('x.b.test')] }, dns('*.b.test'))).toBe(false);
  });

  it('refuses a form that it cannot compare, of the same type only', () => {
    expect(isWithin({ permitted: [other('1.2')], excluded: [] }, other('1.2'))).toBe(false);
    expect(isWithin({ permitted: [], excluded: [other('1.2')] }, other('1.2'))).toBe(false);
    expect(isWithin({ permitted: [other('1.3')], excluded: [] }, other('1.2'))).toBe(true);
    expect(
      isWithin({ permitted: [{ kind: 'registeredID' }], excluded: [] }, { kind: 'registeredID' }),
    ).toBe(false);
  });
});

describe('isWiderSubtree', () => {
  it.each<[outer: WritableSubtree, inner: WritableSubtree, isWider: boolean]>([
    [dns('example.com'), dns('a.example.com'), false],
    [dns('example.com'), dns('EXAMPLE.com'), false],
    [dns('example.com'), dns('com'), true],
    [dns('example.com'), dns('badexample.com'), true],
    [dns('.example.com'), dns('example.com'), true],
    [dns('example.com'), dns(''), true],
    [mail('example.com'), mail('ops@example.com'), false],
    [mail('ops@example.com'), mail('example.com'), true],
    [mail('.example.com'), mail('.a.example.com'), false],
    [mail('example.com'), mail('.example.com'), true],
    [uri('.example.com'), uri('a.example.com'), false],
    [uri('example.com'), uri('a.example.com'), true],
    [ip('0a000000ff000000'), ip('0a010000ffff0000'), false],
    [ip('0a010000ffff0000'), ip('0a000000ff000000'), true],
    [ip('0a000000ff000000'), ip('0b000000ff000000'), true],
    [ip('00'.repeat(32)), ip('0a000000ff000000'), true],
    [dn('Example'), dn('Example', 'Devices'), false],
    [dn('Example', 'Devices'), dn('Example'), true],
    [dns('example.com'), mail('other.test'), false],
  ])('%j permits a CA below %j unless it is wider: %s', (outer, inner, isWider) => {
    expect(isWiderSubtree({ permitted: [outer], excluded: [] }, inner)).toBe(isWider);
  });

  it('knows of several, and of what is excluded as a whole', () => {
    const permitted = [dns('a.test'), dns('b.test')];
    expect(isWiderSubtree({ permitted, excluded: [] }, dns('x.b.test'))).toBe(false);
    expect(isWiderSubtree({ permitted, excluded: [dns('x.b.test')] }, dns('x.b.test'))).toBe(true);
    expect(isWiderSubtree({ permitted, excluded: [dns('x.b.test')] }, dns('b.test'))).toBe(false);
  });
});
