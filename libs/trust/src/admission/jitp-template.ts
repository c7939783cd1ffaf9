import { CertmillError, type Profile, type SubjectAttributeType } from '@certmill/domain';
import type { LintFinding } from '../lint/lint-rule.js';

/**
 * Just-in-time provisioning of AWS IoT Core fills the parameters of a provisioning template from the
 * subject of the device's certificate, and fails where one has no value.
 */

const prefix = 'AWS::IoT::Certificate::';
const clause = 'AWS IoT Core Developer Guide, just-in-time provisioning';

/** The parameter's last part, and the attribute that it is read from; null: AWS makes it itself. */
const parameters: Readonly<Record<string, SubjectAttributeType | null>> = {
  Country: 'countryName',
  Organization: 'organizationName',
  OrganizationalUnit: 'organizationalUnitName',
  DistinguishedNameQualifier: 'dnQualifier',
  StateName: 'stateOrProvinceName',
  CommonName: 'commonName',
  SerialNumber: 'serialNumber',
  Id: null,
  CertificateId: null,
};

/** Above what AWS takes (10,240 characters), as files are written with white space. */
const maxTemplateCharacters = 256 * 1024;

/** Names of the template's parameters, declared or referred to, each once in the order of the file. */
export function jitpParametersOf(templateText: string): readonly string[] {
  const body = templateBodyOf(templateText);
  const { Parameters: declared, ...rest } = body as { readonly Parameters?: unknown };
  const names = typeof declared === 'object' && declared !== null ? Object.keys(declared) : [];
  return [...new Set([...names, ...referencesIn(rest)])];
}

/**
 * What the certificates of a profile lack for a template, one finding each; empty: they have it all.
 * @param templateText the template in JSON: its body, or the file with `templateBody` that the
 *   registration of a CA takes. INVALID_INPUT where it is neither.
 */
export function lintJitpTemplate(profile: Profile, templateText: string): readonly LintFinding[] {
  return lintJitpParameters(profile, jitpParametersOf(templateText));
}

/** The same for parameters by their names. */
export function lintJitpParameters(
  profile: Profile,
  names: readonly string[],
): readonly LintFinding[] {
  return names.flatMap((name) => {
    const detail = problemOf(profile, name);
    return detail === undefined ? [] : [{ rule: 'jitp-parameter', clause, detail }];
  });
}

function problemOf(profile: Profile, name: string): string | undefined {
  if (!name.startsWith(prefix)) {
    // Parameters of AWS itself, such as AWS::Region, are not of the certificate.
    return name.startsWith('AWS::')
      ? undefined
      : `nothing of a certificate fills the parameter ${name}: only ${prefix}... are`;
  }
  const type = parameters[name.slice(prefix.length)];
  if (type === null) return undefined;
  if (type === undefined) return `there is no parameter ${name}`;
  const attributes = profile.subject.filter((attribute) => attribute.type === type);
  if (attributes.length === 0) return `${name}: the subject of the profile has no ${type}`;
  const isAlways = attributes.some(({ value }) => 'fixed' in value || value.required);
  return isAlways ? undefined : `${name}: ${type} is optional, a certificate may lack it`;
}

function templateBodyOf(text: string): object {
  const template = objectOf(text);
  const { templateBody } = template as { readonly templateBody?: unknown };
  return typeof templateBody === 'string' ? objectOf(templateBody) : template;
}

function objectOf(text: string): object {
  if (text.length > maxTemplateCharacters) throw notATemplate('it is too long');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw notATemplate('it is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw notATemplate('it is no JSON object');
  }
  if (!('Parameters' in value || 'Resources' in value || 'templateBody' in value)) {
    throw notATemplate('it has neither Parameters nor Resources nor a templateBody');
  }
  return value;
}

/** Values of every `Ref`, however deep: without recursion, for the file is somebody else's. */
function referencesIn(body: object): readonly string[] {
  const found: string[] = [];
  const left: unknown[] = [body];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    if (typeof next !== 'object' || next === null) continue;
    for (const [key, value] of Object.entries(next)) {
      // A Ref may name a resource of the template: only what looks like a parameter of AWS counts.
      if (key === 'Ref' && typeof value === 'string' && value.startsWith(prefix)) found.push(value);
      else left.push(value);
    }
  }
  return found;
}

function notATemplate(reason: string, cause?: unknown): CertmillError {
  return new CertmillError('INVALID_INPUT', `this is no provisioning template: ${reason}`, {
    cause,
  });
}
