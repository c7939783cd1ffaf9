import { issueCaCrl, isKeyAtHand } from '@certmill/trust';
import { publishCaCrl } from '@certmill/trust/compromise';
import { placeOf, secondsOf } from '../../commands/ca/ca-options.js';
import { type Step, waits } from '../step-context.js';
import { carryAll, certificatesToRevoke } from './revoke-old-ca.js';

/** The CRL of each CA above lists what it revoked, and lies where it is served from. */
export const publishParentCrl: Step = async (context, { plan }) => {
  const { terminal, data, circumstances } = context;
  const all = await certificatesToRevoke(context);
  const away = all.filter(
    ({ signers, carried }) =>
      carried === undefined && !signers.slice(0, 1).some(({ ca }) => isKeyAtHand(ca)),
  );
  if (away.length > 0) throw waits(carryAll(away, plan.wish.reason));
  const made = new Map<string, { readonly file: string; readonly der: Uint8Array }>();
  for (const { signers, carried } of all) {
    const [withKey] = signers;
    let crl = carried && { file: carried.file, der: carried.crl.der };
    if (crl === undefined && withKey !== undefined) {
      const { directory, ca } = withKey;
      const key = `${directory} ${ca.name}`;
      if (made.has(key)) continue;
      const isElsewhere = directory === circumstances.parentData;
      const place = await placeOf(terminal, ca.name, data, isElsewhere ? circumstances : {});
      crl = await issueCaCrl(place, secondsOf(circumstances.next), Date.now());
      made.set(key, crl);
    }
    if (crl === undefined) continue;
    made.set(crl.file, crl);
    for (const { ca } of signers) await publishCaCrl(ca, crl.der);
  }
  return { files: [...new Set([...made.values()].map(({ file }) => file))] };
};
