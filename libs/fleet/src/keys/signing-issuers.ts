import { CertmillError } from '@certmill/domain';
import { softwareSlot, tokenSlot, type SigningIssuer, type SigningSlot } from '@certmill/signing';
import type { ServingIssuer } from '@certmill/trust';
import type { FleetConfig, SlotConfig } from '../config/fleet-config.js';

/** The issuers with the slots that sign's configuration gives them. */
export function signingIssuers(
  issuers: readonly ServingIssuer[],
  config: Pick<FleetConfig, 'issuers' | 'passphraseFile'>,
  slotModule: string | undefined,
): SigningIssuer[] {
  const around = slotModule === undefined ? {} : { slotModule };
  return issuers.map((issuer) => {
    const configured = config.issuers?.[issuer.name]?.slots;
    const slots = configured?.map((slot) => ({ ...slotOf(slot), ...around })) ?? [
      { ...ownSlot(issuer, config.passphraseFile), ...around },
    ];
    return {
      name: issuer.name,
      chainDer: issuer.chainDer,
      ...(issuer.tenants === undefined ? {} : { tenants: issuer.tenants }),
      ...(issuer.order === undefined ? {} : { order: issuer.order }),
      ...(issuer.status === undefined ? {} : { status: issuer.status }),
      slots,
    };
  });
}

function slotOf(slot: SlotConfig): SigningSlot {
  if ('keyFile' in slot) {
    const { name, keyFile, passphraseFile } = slot;
    return softwareSlot({ name, keyFile, passphrase: { file: passphraseFile } });
  }
  return tokenSlot(slot);
}

/** Where the trust folder says that the key is: in a module, or in its own file. */
function ownSlot(issuer: ServingIssuer, passphraseFile: string | undefined): SigningSlot {
  const { slot } = issuer;
  if (slot !== undefined) return tokenSlot({ ...slot, name: `${issuer.name}-token` });
  if (passphraseFile === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `issuers.${issuer.name} has no slots: name them, or give passphraseFile for ${issuer.keyFile}`,
    );
  }
  return softwareSlot({
    name: `${issuer.name}-file`,
    keyFile: issuer.keyFile,
    passphrase: { file: passphraseFile },
  });
}
