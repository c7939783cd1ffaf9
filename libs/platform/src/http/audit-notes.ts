import type { AuditEntry, Credential } from '@certmill/domain';
import { recordAudit } from '@certmill/pipeline';
import type { IssuanceServices } from './services.js';

/** A credential as the audit trail names it: its label, and the beginning of its key's hash. */
export function actorOf({ label, role, keyHash }: Credential): string {
  return `${label === '' ? role : label} (${keyHash.slice(0, 12)})`;
}

/** Notes what a caller did; after it, so that a call that is done again is noted again. */
export async function noteAudit(
  services: Pick<IssuanceServices, 'audit' | 'clock'>,
  caller: Credential,
  action: string,
  detail: AuditEntry['detail'],
  tenant = caller.tenant,
): Promise<void> {
  await recordAudit(services, { tenant, actor: actorOf(caller), action, detail });
}
