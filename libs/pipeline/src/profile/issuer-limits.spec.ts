import type { Profile, SubjectAltName, SubjectAttribute } from '@certmill/domain';
import { builtInProfiles } from '@certmill/domain/profile-files';
import {
  attributeTypeAndValue,
  compileTemplate,
  type GeneralSubtree,
  oids,
  rdnSequence,
  relativeDistinguishedName,
} from '@certmill/der';
import { assertWithinIssuer, hasVariableNames, type IssuerLimits } from './issuer-limits.js';

const base = builtInProfiles().get('tls-client') as Profile;

function aProfile(
  names: readonly SubjectAltName[],
  subject: readonly SubjectAttribute[] = [],
  extensions: Partial<Profile['extensions']> = {},
): Profile {
  return {
    ...base,
    subject,
    extensions: { subjectAltName: { names, critical: false }, ...extensions },
  };
}

const variable = (pattern?: string) =>
  ({
    from: ['deviceId'],
    required: true,
    ...(pattern === undefined ? {} : { pattern }),
  }) as const;
const dns = (value: string): GeneralSubtree => ({ kind: 'dNSName', value });
const permits = (...permitted: readonly GeneralSubtree[]): IssuerLimits => ({
  nameConstraints: [{ permitted, excluded: [] }],
});
const excludes = (...excluded: readonly GeneralSubtree[]): IssuerLimits => ({
  nameConstraints: [{ permitted: [], excluded }],
});
const organization = (value: string): GeneralSubtree => {
  const template = compileTemplate(
    rdnSequence(
      relativeDistinguishedName(
        attributeTypeAndValue(oids.id_at_organizationName, 'utf8String', value),
      ),
    ),
  );
  const out = new Uint8Array(256);
  const nameDer = out.slice(template.write(out, out.length, template.createValues()));
  return { kind: 'directoryName', nameDer };
};
const attribute = (
  type: SubjectAttribute['type'],
  value: SubjectAttribute['value'],
): SubjectAttribute => ({ type, value, encoding: 'utf8' });

const fits = (profile: Profile, limits: IssuerLimits): boolean => {
  try {
    assertWithinIssuer(profile, limits);
    return true;
  } catch (error) {
    expect(error).toMatchObject({
      code: 'PROFILE_INVALID',
      message: expect.stringContaining("widens its issuer's constraints") as string,
    });
    return false;
  }
};

describe('assertWithinIssuer', () => {
  it.each<[SubjectAltName['type'], SubjectAltName['value'], IssuerLimits, boolean]>([
    ['dNSName', { fixed: 'a.example.com' }, permits(dns('example.com')), true],
    ['dNSName', { fixed: 'a.example.org' }, permits(dns('example.com')), false],
    ['dNSName', variable(), permits(dns('example.com')), false],
    ['dNSName', variable('[a-z]+\\.example\\.com'), permits(dns('example.com')), true],
    ['dNSName', variable('[a-z.]+\\.example\\.com'), permits(dns('example.com')), true],
    ['dNSName', variable('[a-z]*example\\.com'), permits(dns('example.com')), false],
    ['dNSName', variable('a\\.example\\.com|b\\.test'), permits(dns('example.com')), false],
    ['dNSName', variable('[a-z]+\\.example\\.com'), excludes(dns('example.org')), true],
    ['dNSName', variable('[a-z]+\\.example\\.com'), excludes(dns('x.example.com')), false],
    ['dNSName', variable(), excludes(dns('example.org')), false],
    ['dNSName', variable(), permits({ kind: 'rfc822Name', value: 'example.com' }), true],
    [
      'rfc822Name',
      variable('[a-z]+@example\\.com'),
      permits({ kind: 'rfc822Name', value: 'example.com' }),
      true,
    ],
    [
      'rfc822Name',
      variable('[a-z]+@example\\.com'),
      permits({ kind: 'rfc822Name', value: 'x@example.com' }),
      false,
    ],
    [
      'uniformResourceIdentifier',
      variable('https://example\\.com/[a-z]+'),
      permits({ kind: 'uniformResourceIdentifier', value: 'example.com' }),
      true,
    ],
    [
      'uniformResourceIdentifier',
      variable('https://example\\.com[a-z]*'),
      permits({ kind: 'uniformResourceIdentifier', value: 'example.com' }),
      false,
    ],
  ])('%s %j under %j: %s', (type, value, limits, isFit) => {
    expect(fits(aProfile([{ type, value } as SubjectAltName]), limits)).toBe(isFit);
  });

  it('cannot hold a hardwareModuleName against a constraint of its type', () => {
    const profile = aProfile([
      { type: 'hardwareModuleName', hwType: '1.2.3', value: variable(), hex: false },
    ]);
    const typeId = oids.id_on_hardwareModuleName;
    expect(fits(profile, permits({ kind: 'otherName', typeId }))).toBe(false);
    expect(fits(profile, permits({ kind: 'otherName', typeId: '1.2.3' }))).toBe(true);
    expect(fits(profile, permits(dns('example.com')))).toBe(true);
  });

  it.each<[string, readonly SubjectAttribute[], IssuerLimits, boolean]>([
    [
      'a fixed begin',
      [
        attribute('organizationName', { fixed: 'example' }),
        attribute('commonName', variable('[a-z]+')),
      ],
      permits(organization('Example')),
      true,
    ],
    [
      'a variable begin',
      [attribute('organizationName', variable('Example'))],
      permits(organization('Example')),
      false,
    ],
    [
      'another begin',
      [attribute('commonName', variable())],
      permits(organization('Example')),
      false,
    ],
    ['no subject', [], permits(organization('Example')), true],
    [
      'a begin that is excluded',
      [attribute('organizationName', { fixed: 'Example' })],
      excludes(organization('Example')),
      false,
    ],
    [
      'a begin that may be the excluded one',
      [attribute('organizationName', variable())],
      excludes(organization('Example')),
      false,
    ],
    [
      'a begin that never is',
      [attribute('commonName', variable()), attribute('organizationName', { fixed: 'Example' })],
      excludes(organization('Example')),
      true,
    ],
    [
      'a begin that may be left out',
      [
        attribute('commonName', { from: ['row.model'], required: false }),
        attribute('organizationName', { fixed: 'Example' }),
      ],
      excludes(organization('Example')),
      false,
    ],
  ])('holds the subject: %s', (_, subject, limits, isFit) => {
    expect(fits(aProfile([], subject), limits)).toBe(isFit);
  });

  it('takes purposes and policies that the issuer has, and no others', () => {
    const serverAuth = aProfile([], [], {
      extKeyUsage: { purposes: [oids.id_kp_clientAuth, oids.id_kp_serverAuth], critical: false },
    });
    expect(fits(serverAuth, { extKeyUsage: [oids.id_kp_clientAuth] })).toBe(false);
    expect(fits(serverAuth, { extKeyUsage: [oids.id_kp_serverAuth, oids.id_kp_clientAuth] })).toBe(
      true,
    );
    expect(fits(serverAuth, {})).toBe(true);
    const policies = aProfile([], [], {
      certificatePolicies: { policies: ['1.2.3'], critical: false },
    });
    expect(fits(policies, { policies: ['1.2.4'] })).toBe(false);
    expect(fits(policies, { policies: ['1.2.3'] })).toBe(true);
  });
});

describe('hasVariableNames', () => {
  it('tells profiles whose certificates differ in names', () => {
    expect(hasVariableNames(aProfile([{ type: 'dNSName', value: { fixed: 'a.test' } }]))).toBe(
      false,
    );
    expect(hasVariableNames(aProfile([{ type: 'dNSName', value: variable() }]))).toBe(true);
    expect(hasVariableNames(aProfile([], [attribute('commonName', variable())]))).toBe(true);
  });
});
