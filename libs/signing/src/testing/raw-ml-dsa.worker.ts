import { generateKeyPairSync, sign } from 'node:crypto';
import type { MlDsaAlgorithm } from '@certmill/der';

export interface RawMlDsaTask {
  readonly parameterSet: MlDsaAlgorithm;
  readonly milliseconds: number;
  /** Octets of the message: it is hashed whole. */
  readonly messageBytes: number;
}

const keys = new Map<MlDsaAlgorithm, ReturnType<typeof generateKeyPairSync>['privateKey']>();

/** Nothing but node:crypto's signatures of one message, for so long; how many they were. */
export function signRaw({ parameterSet, milliseconds, messageBytes }: RawMlDsaTask): number {
  const key = keys.get(parameterSet) ?? generateKeyPairSync(parameterSet).privateKey;
  keys.set(parameterSet, key);
  const message = Buffer.alloc(messageBytes, 7);
  const end = performance.now() + milliseconds;
  let count = 0;
  while (performance.now() < end) {
    for (let i = 0; i < 20; i++) sign(null, message, key);
    count += 20;
  }
  return count;
}
