import {
  derErrorText,
  oids,
  readBasicConstraints,
  readExtensions,
  readGeneralNames,
  readKeyUsage,
  type CertificationRequestWalk,
  type DecodedExtension,
  type GeneralName,
} from '@certmill/der';
import { maxDeviceIdBytes } from '@certmill/domain';
import type { Defects } from './defects.js';
import { extensionOids, type ExaminationPlan } from './examination-plan.js';
import type { CsrValues } from './requested-subject.js';

const extensionNames = new Map([...extensionOids].map(([name, oid]) => [oid, name]));

function nameOf(oid: string): string {
  const name = extensionNames.get(oid);
  return name === undefined ? `the extension ${oid.slice(0, 80)}` : name;
}

/**
 * Checks the extensions that the request asks for (RFC 2985 5.4.2) against the profile, and takes
 * from the subjectAltName what the profile wants into `values`. Whoever asks to be a CA is refused,
 * whatever the profile ignores.
 */
export function takeExtensions(
  bytes: Uint8Array,
  walk: CertificationRequestWalk,
  plan: ExaminationPlan,
  values: CsrValues,
  defects: Defects,
): void {
  if (walk.extensionsStart < 0) return;
  const extensions = readExtensions(bytes, walk.extensionsStart, walk.extensionsEnd);
  if (!extensions.ok) {
    const { code } = extensions.error;
    defects.add(
      code === 'duplicate-extension' ? 'EXTENSION_FORBIDDEN' : 'CSR_DER_MALFORMED',
      `in the requested extensions, ${derErrorText[code]}`,
    );
    return;
  }
  for (const extension of extensions.value) {
    takeExtension(bytes, extension, plan, values, defects);
  }
}

function takeExtension(
  bytes: Uint8Array,
  extension: DecodedExtension,
  plan: ExaminationPlan,
  values: CsrValues,
  defects: Defects,
): void {
  const { oid } = extension;
  if (oid === oids.id_ce_basicConstraints) refuseCa(bytes, extension, defects);
  if (oid === oids.id_ce_keyUsage) refuseCertificateSigning(bytes, extension, defects);
  if (oid === oids.id_ce_subjectAltName) {
    takeSubjectAltName(bytes, extension, plan, values, defects);
    return;
  }
  if (plan.ignoredExtensions.has(oid)) return;
  defects.add(
    'EXTENSION_FORBIDDEN',
    `the request asks for ${nameOf(oid)}, which the profile does not take: leave it out`,
  );
}

function malformed(extension: DecodedExtension, defects: Defects): void {
  defects.add(
    'CSR_DER_MALFORMED',
    `the value of the requested ${nameOf(extension.oid)} is not the DER that its type requires`,
  );
}

function refuseCa(bytes: Uint8Array, extension: DecodedExtension, defects: Defects): void {
  const { valueStart, valueEnd } = extension;
  const constraints = readBasicConstraints(bytes, valueStart, valueEnd);
  if (!constraints.ok) malformed(extension, defects);
  else if (constraints.value.cA) {
    defects.add(
      'EXTENSION_FORBIDDEN',
      'the request asks to be a CA (basicConstraints cA TRUE): devices never are',
    );
  }
}

function refuseCertificateSigning(
  bytes: Uint8Array,
  extension: DecodedExtension,
  defects: Defects,
): void {
  const { valueStart, valueEnd } = extension;
  const usages = readKeyUsage(bytes, valueStart, valueEnd);
  if (!usages.ok) malformed(extension, defects);
  else if (usages.value.includes('keyCertSign')) {
    defects.add(
      'EXTENSION_FORBIDDEN',
      'the request asks to be a CA (keyUsage keyCertSign): devices never are',
    );
  }
}

function takeSubjectAltName(
  bytes: Uint8Array,
  extension: DecodedExtension,
  plan: ExaminationPlan,
  values: CsrValues,
  defects: Defects,
): void {
  const isIgnored = plan.ignoredExtensions.has(oids.id_ce_subjectAltName);
  if (plan.hardwareSerialColumn < 0) {
    if (isIgnored) return;
    defects.add(
      'SAN_FORBIDDEN',
      'the request asks for a subjectAltName, which the profile does not take: leave it out',
    );
    return;
  }
  const names = readGeneralNames(bytes, extension.valueStart, extension.valueEnd);
  if (!names.ok) {
    defects.add(
      'SAN_FORBIDDEN',
      `the requested subjectAltName cannot be read: ${derErrorText[names.error.code]}`,
    );
    return;
  }
  for (const name of names.value) {
    if (name.kind === 'hardwareModuleName') {
      takeHardwareName(bytes, name, plan, values, defects);
    } else if (!isIgnored) {
      defects.add(
        'SAN_FORBIDDEN',
        `the requested subjectAltName has a name of kind ${name.kind}: ` +
          'the profile takes hardwareModuleName only',
      );
    }
  }
}

/** RFC 4108 5: the serial number is any octets; it travels as lower-case hex. */
function takeHardwareName(
  bytes: Uint8Array,
  name: Extract<GeneralName, { kind: 'hardwareModuleName' }>,
  plan: ExaminationPlan,
  values: CsrValues,
  defects: Defects,
): void {
  const { hwSerialNumStart: start, hwSerialNumEnd: end } = name;
  if (values[plan.hardwareSerialColumn] !== undefined) {
    defects.add(
      'SAN_FORBIDDEN',
      'the requested subjectAltName has more than one hardwareModuleName',
    );
  } else if (plan.hardwareTypes.size > 0 && !plan.hardwareTypes.has(name.hwType)) {
    defects.add(
      'SAN_FORBIDDEN',
      `the requested hardwareModuleName has hwType ${name.hwType.slice(0, 80)}: ` +
        `the profile expects ${[...plan.hardwareTypes].join(' or ').slice(0, 80)}`,
    );
  } else if (start === end || end - start > maxDeviceIdBytes) {
    defects.add(
      'SAN_FORBIDDEN',
      `hwSerialNum of the requested hardwareModuleName has ${(end - start).toString()} octets: ` +
        `1 to ${maxDeviceIdBytes.toString()} are allowed`,
    );
  } else {
    values[plan.hardwareSerialColumn] = Buffer.from(bytes.subarray(start, end)).toString('hex');
  }
}
