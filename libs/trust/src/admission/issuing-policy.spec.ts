import { builtInProfiles } from '@certmill/domain/profile-files';
import type { ServingIssuer } from '../hierarchy/serving-issuers.js';
import { aSampleIssuer, sampleNowMs } from '../testing/sample-issuer.js';
import { issuingPolicy } from './issuing-policy.js';

const dayMs = 86_400_000;

/**
 * Under how many of 12 intermediates of a kind samples of `tls-client` (2 years) are made. Each was made and ends a day after
 * the one before. Only samples ask for the type of a key more than once.
 */
async function sampledUnder(firstEndMs: number): Promise<number> {
  const asked = new Map<number, number>();
  const issuers = Array.from({ length: 12 }, (_, day): ServingIssuer => {
    const issuer = aSampleIssuer({
      notBeforeMs: Date.UTC(2026, 0, 1) + day * dayMs,
      notAfterMs: firstEndMs + day * dayMs,
    });
    const serving = {
      ...issuer,
      chainDer: [],
      get keyType() {
        asked.set(day, (asked.get(day) ?? 0) + 1);
        return issuer.keyType;
      },
    };
    return serving as Partial<ServingIssuer> as ServingIssuer;
  });
  const policy = issuingPolicy(
    { all: issuers, find: () => undefined, formerEndsOf: () => [] },
    { nowMs: () => sampleNowMs },
  );
  await policy.admit('acme', builtInProfiles().get('tls-client')!);
  return [...asked.values()].filter((times) => times > 1).length;
}

describe('a profile that is admitted for many issuers', () => {
  it('is sampled under one of those that were made day by day', async () => {
    expect(await sampledUnder(Date.UTC(2040, 0, 1))).toBe(1);
  });

  it('is sampled under each that cuts its lifetime at another end', async () => {
    expect(await sampledUnder(Date.UTC(2028, 0, 10))).toBe(12);
  });
});
