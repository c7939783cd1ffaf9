import { chainDoubtOf, lifeLeftMs, refusalOf, type Issuer } from '@certmill/trust';

/** A CA as `--json` tells it. */
export function authorityView(ca: Issuer): object {
  const refusal = refusalOf(ca, Date.now());
  const changed = chainDoubtOf(ca);
  return {
    name: ca.name,
    role: ca.role,
    subject: ca.subject,
    keyType: ca.keyType,
    hasKey: ca.hasKey,
    ...(ca.slot === undefined ? {} : { token: ca.slot.token, keyLabel: ca.slot.keyLabel }),
    subjectKeyIdentifier: Buffer.from(ca.keyIdentifier).toString('hex'),
    serialNumber: ca.serialNumberHex,
    notBefore: new Date(ca.notBeforeMs).toISOString(),
    notAfter: new Date(ca.notAfterMs).toISOString(),
    chainFile: ca.chainFile,
    ...(ca.parent === undefined ? {} : { parent: ca.parent }),
    ...(ca.order === undefined ? {} : { order: ca.order }),
    ...(ca.status === undefined ? {} : { status: ca.status }),
    ...(ca.retirement?.successor === undefined ? {} : { successor: ca.retirement.successor }),
    ...(ca.retirement?.isClosed === undefined ? {} : { isClosed: true }),
    ...(refusal === undefined ? {} : { refusal }),
    ...(changed === undefined ? {} : { changed }),
  };
}

export function lifeOf(ca: Issuer): string {
  const days = Math.floor(lifeLeftMs(ca, Date.now()) / 86_400_000);
  const until = new Date(ca.notAfterMs).toISOString().slice(0, 10);
  return days > 365_000 ? `${until} (no expiration)` : `${until} (${String(days)} days)`;
}

/** In a word or two: what a person has to know of it. */
export function stateOf(ca: Issuer): string {
  if (ca.revoked !== undefined) return `revoked (${ca.revoked.reason})`;
  if (refusalOf(ca, Date.now()) !== undefined) return 'not valid now';
  const changed = chainDoubtOf(ca);
  if (changed !== undefined) return `${changed} was changed`;
  if (ca.retirement !== undefined) {
    const { successor, isClosed } = ca.retirement;
    const what = isClosed === true ? 'given up' : 'retired';
    return successor === undefined ? what : `${what} for ${successor}`;
  }
  if (ca.slot !== undefined) return `key in token ${ca.slot.token}`;
  if (!ca.hasKey) return 'key elsewhere';
  return ca.order === undefined ? 'ready' : `for ${ca.order.tenant}/${ca.order.orderId}`;
}
