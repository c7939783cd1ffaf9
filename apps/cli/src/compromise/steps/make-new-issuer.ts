import { CertmillError, newCaKeyTypes } from '@certmill/domain';
import {
  authorityIn,
  distinguishedNameDer,
  type AuthorityPlace,
  findAuthority,
  type Issuer,
  type IssuerKeyType,
  isKeyAtHand,
  parseDistinguishedName,
} from '@certmill/trust';
import { certificatesOfCa, makeSuccessor, type SuccessorWish } from '@certmill/trust/compromise';
import { keyPlaceOf, lifetimeOf, placeOf, statusOf } from '../../commands/ca/ca-options.js';
import { carryRequest } from '../carry.js';
import { type Step, type StepContext, waits } from '../step-context.js';

/** The new issuer is there, with its key, under a CA that vouches for it. */
export const makeNewIssuer: Step = async (context, { plan }) => {
  const { data, terminal, old } = context;
  const { successor } = plan.wish;
  if (successor === undefined) return {};
  const nowMs = Date.now();
  const above = await parentOfSuccessor(context, successor, nowMs);
  const outcome = await makeSuccessor({
    ...{ name: successor.name, directory: data, old, nowMs },
    ...(await keyPlaceOf(terminal, data, successor)),
    ...(successor.subject === undefined
      ? {}
      : { subjectDer: distinguishedNameDer(parseDistinguishedName(successor.subject)) }),
    ...(successor.key === undefined ? {} : { keyType: keyTypeOf(successor.key) }),
    ...lifetimeOf(successor),
    ...statusOf(successor),
    parent: above.place,
  });
  if (outcome.kind === 'requested') {
    throw waits(carryRequest(successor.name, above.name, outcome.requestFile));
  }
  const { name, subject, serialNumberHex: serialNumber } = outcome.ca;
  return { name, subject, serialNumber, isMade: plan.makesSuccessor };
};

interface ParentOfSuccessor {
  readonly name: string;
  /** Undefined where its key is not at hand. */
  readonly place: AuthorityPlace | undefined;
}

/** The CA that signs the new issuer: the one that is named, else the one that signed the old. */
export async function parentOfSuccessor(
  context: StepContext,
  { under }: SuccessorWish,
  nowMs: number,
): Promise<ParentOfSuccessor> {
  const { terminal, data, old, circumstances } = context;
  const directory = circumstances.parentData ?? data;
  const found: Issuer | undefined =
    under === undefined
      ? await signerIn(directory, old, nowMs)
      : await findAuthority(directory, under);
  if (under !== undefined && found === undefined && circumstances.parentData !== undefined) {
    // Says which folder has no such CA.
    await authorityIn(directory, under);
  }
  const name = found?.name ?? under ?? 'root';
  if (found === undefined || !isKeyAtHand(found)) return { name, place: undefined };
  return { name, place: await placeOf(terminal, name, data, circumstances) };
}

async function signerIn(
  directory: string,
  old: Issuer,
  nowMs: number,
): Promise<Issuer | undefined> {
  const { found } = await certificatesOfCa(old, [directory], nowMs);
  return found[0]?.signers[0]?.ca;
}

function keyTypeOf(text: string): IssuerKeyType {
  const type = newCaKeyTypes.find((known) => known === text);
  if (type !== undefined) return type;
  throw new CertmillError('INVALID_INPUT', `'${text.slice(0, 40)}' is no type of key`);
}
