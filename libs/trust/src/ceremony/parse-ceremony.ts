import { durationSeconds, isCertmillError } from '@certmill/domain';
import { type Contradiction, parseYaml } from '@certmill/domain/yaml-files';
import { constraintsOfTexts } from '../hierarchy/ca-constraints.js';
import type { Approver, Quorum } from './approval.js';
import { type CeremonyFile, ceremonyFileSchema, type Participant } from './ceremony-file.js';
import { encryptionKeyOf } from './key-share.js';
import type { Operation } from './operation.js';
import { approverListDefect } from './participants.js';
import { noExpirationMs } from '../hierarchy/issue-ca-certificate.js';
import { assertRootCanBeMade, rootEndOf } from './root-wish.js';

const maxCeremonyCharacters = 1024 * 1024;

/**
 * Reads a ceremony file.
 * @param fileName stands in the messages only.
 * @param isCarriedOut it was: whether its steps can be done, by the rules of today, is not asked.
 * Throws INVALID_INPUT with one `file:line: reason` per problem, in the order of their lines.
 */
export function parseCeremony(
  text: string,
  fileName: string,
  { isCarriedOut = false } = {},
): CeremonyFile {
  return parseYaml(text, {
    fileName,
    kind: 'ceremony',
    code: 'INVALID_INPUT',
    maxCharacters: maxCeremonyCharacters,
    schema: ceremonyFileSchema,
    contradictionsOf: isCarriedOut ? lastingContradictionsOf : contradictionsOf,
  });
}

/** The ceremony as the operation that is approved. */
export function ceremonyOperation(ceremony: CeremonyFile): Operation {
  return { kind: 'ceremony', id: ceremony.id, parameters: { ...ceremony } };
}

export function participantsIn(
  ceremony: CeremonyFile,
  role: Participant['roles'][number],
): readonly Participant[] {
  return ceremony.participants.filter(({ roles }) => roles.includes(role));
}

/** Administrators approve. */
export function ceremonyQuorum(ceremony: CeremonyFile): Quorum {
  return {
    threshold: ceremony.quorum.approvals,
    approvers: participantsIn(ceremony, 'administrator').map(approverOf),
  };
}

function approverOf({ name, publicKey }: Participant): Approver {
  return { name, publicKey };
}

/** What no single key of the file shows. */
function contradictionsOf(ceremony: CeremonyFile): Contradiction[] {
  return [
    ...lastingContradictionsOf(ceremony),
    ...ceremony.steps.flatMap((_, index) => stepDefects(ceremony, index)),
  ];
}

function lastingContradictionsOf(ceremony: CeremonyFile): Contradiction[] {
  return [...windowDefects(ceremony), ...peopleDefects(ceremony)];
}

function windowDefects({ window }: CeremonyFile): Contradiction[] {
  return Date.parse(window.notBefore) < Date.parse(window.notAfter)
    ? []
    : [{ path: ['window', 'notAfter'], reason: 'is not after notBefore' }];
}

function peopleDefects(ceremony: CeremonyFile): Contradiction[] {
  const { participants, quorum } = ceremony;
  const found: Contradiction[] = [];
  const twice = approverListDefect(participants, 0);
  if (twice !== undefined) found.push({ path: ['participants'], reason: twice });
  const thresholds = [
    ['approvals', 'administrator', quorum.approvals],
    ['shares', 'custodian', quorum.shares ?? 0],
    ['witnesses', 'witness', quorum.witnesses],
  ] as const;
  for (const [key, role, threshold] of thresholds) {
    const count = participantsIn(ceremony, role).length;
    if (threshold <= count) continue;
    const reason = `asks for ${String(threshold)}, but participants with the role ${role} are ${String(count)}`;
    found.push({ path: ['quorum', key], reason });
  }
  participants.forEach(({ roles, encryptionKey }, index) => {
    if (new Set(roles).size < roles.length) {
      found.push({ path: ['participants', index, 'roles'], reason: 'a role stands twice' });
    }
    if (
      roles.includes('witness') &&
      roles.some((role) => role !== 'witness' && role !== 'auditor')
    ) {
      const reason =
        'a witness has no part in what is witnessed: neither administrator nor custodian';
      found.push({ path: ['participants', index, 'roles'], reason });
    }
    if (encryptionKey === undefined) return;
    try {
      encryptionKeyOf(encryptionKey);
    } catch (error) {
      if (!isCertmillError(error)) throw error;
      found.push({ path: ['participants', index, 'encryptionKey'], reason: error.message });
    }
  });
  return found;
}

/** Steps that make shares. */
const splitting: readonly string[] = ['make-root', 'split-key', 'backup-keys'];

function stepDefects({ quorum, steps, window }: CeremonyFile, index: number): Contradiction[] {
  const step = steps[index];
  if (step === undefined) return [];
  const found: Contradiction[] = [];
  const tell = (key: string, reason: string): void => {
    found.push({ path: ['steps', index, key], reason });
  };
  const isSplit = splitting.includes(step.do) && !(step.do === 'make-root' && step.slot);
  if (isSplit && quorum.shares === undefined) {
    tell('do', 'splits a key, so quorum.shares has to say how many custodians open it');
  }
  const [fromMs, toMs] = [Date.parse(window.notBefore), Date.parse(window.notAfter)];
  if (step.do === 'make-root') tellRefusal(() => assertRootCanBeMade(step, fromMs), tell);
  if (step.do === 'make-root' || step.do === 'renew-root') {
    if (rootEndOf(step.validity, fromMs) <= toMs) {
      tell('validity', 'the root would have ended before the ceremony has to');
    }
    if (rootEndOf(step.validity, toMs) > noExpirationMs) tell('validity', beyondTime);
  }
  if (step.do === 'make-crl' && toMs + durationSeconds(step.nextUpdate) * 1_000 > noExpirationMs) {
    tell('nextUpdate', beyondTime);
  }
  if (step.do === 'backup-keys' && new Set(step.cas).size < step.cas.length) {
    tell('cas', 'a CA stands twice');
  }
  if (step.do === 'issue-ca') tellRefusal(() => constraintsOfTexts(step), tell);
  if (step.do === 'make-root' && steps.findIndex((one) => one.do === 'make-root') < index) {
    tell('do', 'a data folder has one root, and a step before makes it');
  }
  return found;
}

const beyondTime = 'ends after the year 9999 (RFC 5280 4.1.2.5)';

function tellRefusal(read: () => unknown, tell: (key: string, reason: string) => void): void {
  try {
    read();
  } catch (error) {
    if (!isCertmillError(error)) throw error;
    tell('do', error.message);
  }
}
