import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { CeremonyFile, Participant } from '../ceremony-file.js';

export interface Person {
  readonly name: string;
  readonly privateKey: KeyObject;
  readonly publicKey: string;
}

export function aPerson(name: string, type: 'ed25519' | 'p256' = 'ed25519'): Person {
  const { privateKey, publicKey } =
    type === 'ed25519'
      ? generateKeyPairSync('ed25519')
      : generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return {
    name,
    privateKey,
    publicKey: publicKey.export({ format: 'pem', type: 'spki' }).toString(),
  };
}

export function participantOf(
  { name, publicKey }: Person,
  ...roles: Participant['roles']
): Participant {
  return { name, roles, publicKey };
}

export const aliceAndFriends = {
  alice: aPerson('alice'),
  bob: aPerson('bob', 'p256'),
  carol: aPerson('carol'),
  wendy: aPerson('wendy'),
} as const;

/** 2-of-3 administrators who are custodians too, one witness, one root. */
export function aCeremony(changes: Partial<CeremonyFile> = {}): CeremonyFile {
  const { alice, bob, carol, wendy } = aliceAndFriends;
  return {
    name: 'root-2026',
    id: '00112233445566778899aabbccddeeff',
    description: 'The root of a test.',
    window: { notBefore: '2026-11-01T00:00:00Z', notAfter: '2026-12-01T00:00:00Z' },
    participants: [
      participantOf(alice, 'administrator', 'custodian'),
      participantOf(bob, 'administrator', 'custodian'),
      participantOf(carol, 'administrator', 'custodian'),
      participantOf(wendy, 'witness'),
    ],
    quorum: { approvals: 2, shares: 2, witnesses: 1 },
    steps: [
      {
        do: 'make-root',
        key: 'ec-p256',
        subject: 'O=Example,CN=Example Root',
        validity: { notAfter: 'never' },
        pathLength: 1,
        profile: 'root',
      },
    ],
    ...changes,
  };
}
