// Does what it is told on its input, a line of JSON each, and says what came of it: one of several processes that work
// in the same folders.
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { crossCertify, type CrossOptions } from '../cross-certify.js';
import { signAuthorityRequest, type SignRequestOptions } from '../request-authority.js';
import { type CaRevocationOptions, revokeAuthority } from '../revoke-authority.js';

export type ToldCommand = { readonly afterMs?: number } & (
  | { readonly do: 'cross'; readonly options: CrossOptions }
  | { readonly do: 'sign'; readonly options: SignRequestOptions }
  | {
      readonly do: 'revoke';
      readonly options: Omit<CaRevocationOptions, 'certificateDer'>;
      readonly certificate: string;
    }
);

async function carryOut(told: ToldCommand): Promise<unknown> {
  if (told.do === 'cross') return crossCertify(told.options);
  if (told.do === 'sign') return signAuthorityRequest(told.options);
  const certificateDer = Uint8Array.from(Buffer.from(told.certificate, 'base64'));
  return revokeAuthority({ ...told.options, certificateDer });
}

process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const told = JSON.parse(line) as ToldCommand;
  await pause(told.afterMs ?? 0);
  const outcome = await carryOut(told).then(
    () => 'done',
    (error: unknown) => String((error as { readonly code?: unknown }).code),
  );
  process.stdout.write(`${outcome}\n`);
}
