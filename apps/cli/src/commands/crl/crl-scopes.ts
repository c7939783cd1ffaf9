import { InvalidArgumentError } from 'commander';
import { CertmillError } from '@certmill/domain';
import type { CrlScope } from '@certmill/ports';
import type { Issuer } from '@certmill/trust';

export interface ScopeOptions {
  readonly data: string;
  readonly shard?: number;
  readonly delta?: boolean;
}

export function parseShard(text: string): number {
  if (/^\d{1,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('a shard is a number from 0');
}

/** NOT_FOUND for an issuer or a shard that is not there. */
export function scopesOf(
  issuers: readonly Pick<Issuer, 'name' | 'status'>[],
  issuer?: string,
  shard?: number,
): readonly CrlScope[] {
  const wanted = issuers.filter(({ name }) => issuer === undefined || name === issuer);
  if (issuer !== undefined && wanted.length === 0) {
    throw new CertmillError(
      'NOT_FOUND',
      `there is no issuer '${issuer.slice(0, 80)}' in this folder`,
    );
  }
  const scopes = wanted.flatMap(({ name, status }) =>
    Array.from({ length: Math.max(1, status?.crlShards ?? 0) }, (_, each) => ({
      issuer: name,
      shard: each,
    })),
  );
  if (shard === undefined) return scopes;
  const found = scopes.filter((scope) => scope.shard === shard);
  if (found.length > 0) return found;
  throw new CertmillError('NOT_FOUND', `the issuer has no shard ${String(shard)}`);
}
