import type { GeneralSubtree, KeyUsageName } from '@certmill/der';
import { distinguishedNameDer } from './distinguished-name.js';
import { type BoundingCertificate, narrowerConstraints } from './narrower-constraints.js';
import { parseSubtree } from './parse-subtree.js';

const named = (value: string) => distinguishedNameDer([{ type: 'commonName', value }]);
const [server, client] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];

interface Given {
  readonly extKeyUsage?: readonly string[];
  readonly policies?: readonly string[];
  readonly permit?: readonly (string | GeneralSubtree)[];
  readonly exclude?: readonly (string | GeneralSubtree)[];
  readonly keyUsage?: readonly KeyUsageName[];
  readonly pathLenConstraint?: number;
}

function aCertificate(given: Given): BoundingCertificate {
  const { permit = [], exclude = [], pathLenConstraint } = given;
  const { keyUsage = ['keyCertSign', 'cRLSign'], extKeyUsage, policies } = given;
  const subtrees = (list: readonly (string | GeneralSubtree)[]) =>
    list.map((each) => (typeof each === 'string' ? parseSubtree(each) : each));
  const nameConstraints = { permitted: subtrees(permit), excluded: subtrees(exclude) };
  return {
    limits: {
      ...(permit.length + exclude.length === 0 ? {} : { nameConstraints }),
      ...(extKeyUsage === undefined ? {} : { extKeyUsage }),
      ...(policies === undefined ? {} : { policies }),
    },
    ...{ keyUsage, pathLenConstraint, subjectDer: named('CA'), issuerDer: named('Root') },
  };
}

const root: Given = {};
const device = { kind: 'otherName', typeId: '1.3.6.1.5.5.7.8.4' } as const;

describe('a chain in the place of another one', () => {
  it.each<[string, readonly Given[], readonly Given[]]>([
    [
      'is as before',
      [{ permit: ['dns:a.test'], extKeyUsage: [client] }, root],
      [{ permit: ['dns:A.test'], extKeyUsage: [client] }, root],
    ],
    [
      'has more purposes',
      [{ extKeyUsage: [client] }, root],
      [{ extKeyUsage: [server, client] }, root],
    ],
    [
      'has any purpose',
      [{ extKeyUsage: [client] }, root],
      [{ extKeyUsage: ['2.5.29.37.0'] }, root],
    ],
    ['has any policy', [{ policies: ['1.2.3'] }, root], [{ policies: ['2.5.29.32.0'] }, root]],
    [
      'says above what it said itself',
      [{ extKeyUsage: [client] }, root],
      [{}, { extKeyUsage: [client, server] }, { extKeyUsage: [client] }],
    ],
    [
      'permits more names',
      [{ permit: ['dns:b.a.test'] }, root],
      [{ permit: ['dns:a.test'] }, root],
    ],
    [
      'permits names that were permitted above',
      [{}, { permit: ['ip:10.1.0.0/16'] }],
      [{ permit: ['ip:10.0.0.0/8'] }, root],
    ],
    [
      'excludes fewer names',
      [{ exclude: ['dns:a.test'] }, root],
      [{ exclude: ['dns:b.a.test'] }, root],
    ],
    [
      'permits names of a form as before',
      [{ permit: [device] }, root],
      [{ permit: [device] }, root],
    ],
    ['leaves more tiers', [{ pathLenConstraint: 0 }, root], [{ pathLenConstraint: 1 }, root]],
    ['leaves any number of tiers', [{ pathLenConstraint: 0 }, root], [{}, root]],
    [
      'has more key usages',
      [{}, root],
      [{ keyUsage: ['digitalSignature', 'keyCertSign', 'cRLSign'] }, root],
    ],
  ])('takes away nothing where it %s', (_, before, after) => {
    expect(narrowerConstraints(before.map(aCertificate), after.map(aCertificate))).toEqual([]);
  });

  it.each<[string, readonly Given[], readonly Given[]]>([
    [
      'extKeyUsage id-kp-clientAuth',
      [{ extKeyUsage: [server, client] }, root],
      [{ extKeyUsage: [server] }, root],
    ],
    ['extKeyUsage: all but id-kp-serverAuth', [{}, root], [{ extKeyUsage: [server] }, root]],
    ['extKeyUsage: all but id-kp-serverAuth', [{}, root], [{}, { extKeyUsage: [server] }]],
    [
      'certificatePolicies 1.2.4',
      [{ policies: ['1.2.3', '1.2.4'] }, root],
      [{ policies: ['1.2.3'] }, root],
    ],
    [
      'nameConstraints: names outside dNSName a.test',
      [{}, root],
      [{ permit: ['dns:a.test'] }, root],
    ],
    ['nameConstraints: names outside dNSName a.test', [{}, root], [{}, { permit: ['dns:a.test'] }]],
    [
      'nameConstraints: names outside dNSName b.a.test',
      [{ permit: ['dns:a.test'] }, root],
      [{ permit: ['dns:b.a.test'] }, root],
    ],
    [
      'nameConstraints: names outside dNSName a.test',
      [{ permit: ['dns:a.test', 'dns:b.test'] }, root],
      [{ permit: ['dns:a.test'] }, root],
    ],
    [
      'nameConstraints: names outside iPAddress 10.0.0.0/255.0.0.0',
      [{ permit: ['dns:a.test'] }, root],
      [{ permit: ['dns:a.test', 'ip:10.0.0.0/8'] }, root],
    ],
    [
      'nameConstraints: names of directoryName O=E',
      [{ exclude: ['dn:O=E,OU=D'] }, root],
      [{ exclude: ['dn:O=E', 'dn:O=E,OU=D'] }, root],
    ],
    [
      'pathLenConstraint: 0 CAs below it, which were 1',
      [{ pathLenConstraint: 1 }, root],
      [{ pathLenConstraint: 0 }, root],
    ],
    [
      'pathLenConstraint: 0 CAs below it, which were any number',
      [{}, root],
      [{}, { pathLenConstraint: 1 }],
    ],
    [
      'keyUsage digitalSignature',
      [{ keyUsage: ['digitalSignature', 'keyCertSign', 'cRLSign'] }, root],
      [{}, root],
    ],
  ])('takes away %s', (lost, before, after) => {
    expect(narrowerConstraints(before.map(aCertificate), after.map(aCertificate))).toEqual([lost]);
  });

  it('takes away all that it does', () => {
    const before = [aCertificate({}), aCertificate(root)];
    const after = [
      aCertificate({ extKeyUsage: [client], policies: ['1.2.3'], exclude: ['dns:a.test'] }),
      aCertificate({ pathLenConstraint: 1, permit: ['email:a.test'] }),
    ];
    expect(narrowerConstraints(before, after)).toEqual([
      'pathLenConstraint: 0 CAs below it, which were any number',
      'extKeyUsage: all but id-kp-clientAuth',
      'certificatePolicies: all but 1.2.3',
      'nameConstraints: names of dNSName a.test',
      'nameConstraints: names outside rfc822Name a.test',
    ]);
  });
});
