import { userInfo } from 'node:os';

/** The user of the system, for the audit trail. */
export function actorHere(command: string): string {
  return `certmill ${command} (${userInfo().username})`;
}
