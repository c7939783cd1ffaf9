import { CertmillError, isCertmillError } from '@certmill/domain';
import {
  softwareSlot,
  tokenSlot,
  withSlots,
  type SigningIssuer,
  type SigningSlot,
} from '@certmill/signing';
import type { IssuerCatalogue, ServingIssuer } from '@certmill/trust';
import type { FleetConfig, SlotConfig } from '../config/fleet-config.js';

/** The issuers of a sign process: all that it begins with, and one as it is now. */
export interface SigningIssuers {
  readonly all: readonly SigningIssuer[];
  /** FAULT_HSM_REFUSED where one that was added is not told where its key is. */
  find(name: string): SigningIssuer | undefined;
}

/** The issuers with the slots that sign's configuration gives them. CONFIG_INVALID. */
export function signingIssuers(
  source: Pick<IssuerCatalogue, 'all' | 'find'>,
  config: Pick<FleetConfig, 'issuers' | 'passphraseFile'>,
  slotModule: string | undefined,
): SigningIssuers {
  const around = slotModule === undefined ? {} : { slotModule };
  const signing = withSlots<ServingIssuer>((issuer) => {
    const configured = config.issuers?.[issuer.name]?.slots?.map(slotOf);
    const slots = configured ?? [ownSlot(issuer, config.passphraseFile)];
    return slots.map((slot) => ({ ...slot, ...around }));
  });
  return {
    all: source.all.map(signing),
    find(name) {
      const issuer = source.find(name);
      try {
        return issuer && signing(issuer);
      } catch (cause) {
        // At the start it ends the process; later it is one issuer's, and the others' chunks go on.
        if (!isCertmillError(cause) || cause.code !== 'CONFIG_INVALID') throw cause;
        throw new CertmillError('FAULT_HSM_REFUSED', cause.message, { cause });
      }
    },
  };
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
