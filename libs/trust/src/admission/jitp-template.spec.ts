import { builtInProfiles, builtInProfileText, parseProfile } from '@certmill/domain/profile-files';
import { jitpParametersOf, lintJitpTemplate } from './jitp-template.js';

const parameter = (name: string) => `AWS::IoT::Certificate::${name}`;

function aTemplate(...names: string[]): string {
  return JSON.stringify({
    Parameters: Object.fromEntries(names.map((name) => [name, { Type: 'String' }])),
    Resources: {
      thing: {
        Type: 'AWS::IoT::Thing',
        Properties: {
          ThingName: { Ref: parameter('CommonName') },
          AttributePayload: { serial: { Ref: parameter('SerialNumber') } },
        },
      },
      certificate: {
        Type: 'AWS::IoT::Certificate',
        Properties: { CertificateId: { Ref: parameter('Id') }, Status: 'ACTIVE' },
      },
    },
  });
}

const awsIot = builtInProfiles().get('aws-iot')!;
const details = (profile: typeof awsIot, text: string) =>
  lintJitpTemplate(profile, text).map(({ detail }) => detail);

/** The built-in profile with further attributes, as a customer would write it. */
function withAttributes(...lines: string[]) {
  const attributes = lines.map((line) => `  - ${line}\n`).join('');
  return parseProfile(
    builtInProfileText('aws-iot').replace('extensions:', `${attributes}extensions:`),
    'aws.yaml',
  );
}

describe('lintJitpTemplate', () => {
  it('finds nothing where the subject has all that the template names', () => {
    expect(details(awsIot, aTemplate(parameter('CommonName')))).toEqual([]);
  });

  it('names each field that the subject lacks', () => {
    const names = ['Country', 'StateName', 'Organization', 'OrganizationalUnit'];
    const text = aTemplate(...names.map(parameter), parameter('DistinguishedNameQualifier'));
    expect(details(awsIot, text)).toEqual([
      `${parameter('Country')}: the subject of the profile has no countryName`,
      `${parameter('StateName')}: the subject of the profile has no stateOrProvinceName`,
      `${parameter('Organization')}: the subject of the profile has no organizationName`,
      `${parameter('OrganizationalUnit')}: the subject of the profile has no organizationalUnitName`,
      `${parameter('DistinguishedNameQualifier')}: the subject of the profile has no dnQualifier`,
    ]);
    const complete = withAttributes(
      '{ type: countryName, value: PT }',
      '{ type: stateOrProvinceName, value: Lisboa }',
      '{ type: organizationName, value: Example }',
      '{ type: organizationalUnitName, from: [row.site] }',
      '{ type: dnQualifier, from: [row.model] }',
    );
    expect(details(complete, text)).toEqual([]);
  });

  it('does not count on what a certificate may lack', () => {
    const optional = withAttributes('{ type: dnQualifier, from: [row.model], required: false }');
    expect(details(optional, aTemplate(parameter('DistinguishedNameQualifier')))).toEqual([
      `${parameter('DistinguishedNameQualifier')}: dnQualifier is optional, a certificate may lack it`,
    ]);
  });

  it('finds parameters that nothing can fill', () => {
    expect(details(awsIot, aTemplate('Location', parameter('Locality'), 'AWS::Region'))).toEqual([
      'nothing of a certificate fills the parameter Location: only AWS::IoT::Certificate::... are',
      `there is no parameter ${parameter('Locality')}`,
    ]);
  });

  it('reads the file that the registration of a CA takes, too', () => {
    const body = aTemplate(parameter('Country'));
    const file = JSON.stringify({ templateBody: body, roleArn: 'arn:aws:iam::1:role/jitp' });
    expect(details(awsIot, file)).toEqual(details(awsIot, body));
    expect(jitpParametersOf(file).map((name) => name.split('::').at(-1))).toEqual(
      expect.arrayContaining(['Country', 'CommonName', 'SerialNumber', 'Id']),
    );
  });

  it.each([
    ['text', 'Parameters: {}', 'it is not JSON'],
    ['a list', '[]', 'it is no JSON object'],
    ['another object', '{"Statement":[]}', 'it has neither Parameters nor Resources'],
    ['too much', `{"Parameters":{}${' '.repeat(300_000)}}`, 'it is too long'],
  ])('refuses %s', (_, text, reason) => {
    expect(() => lintJitpTemplate(awsIot, text)).toThrow(reason);
  });

  it('reads a template that is nested thousands of times', () => {
    const depth = 3_000;
    const text = `{"Resources":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(details(awsIot, text)).toEqual([]);
  });
});
