import { CertmillError } from '@certmill/domain';
import { createHops, type HopKeys, type HopName, type Hops } from '@certmill/pipeline';
import type { Clock } from '@certmill/ports';
import type { FleetConfig } from '../config/fleet-config.js';
import { readHopKeys } from './hop-key-file.js';

/** The hops that each role stands at. */
export const roleHops = {
  ingest: ['received'],
  validate: ['received', 'validated'],
  sign: ['validated', 'issued'],
  publish: ['issued'],
  status: [],
} as const satisfies Readonly<Record<string, readonly HopName[]>>;

/**
 * The hops that a service stands at. CONFIG_INVALID where one has no keys: unlike in one process no
 * record may travel unsealed.
 */
export function hopsOf<N extends HopName>(
  names: readonly N[],
  { hopKeys }: Pick<FleetConfig, 'hopKeys'>,
  clock: Clock,
): Pick<Hops, N> {
  const keys: Partial<Record<HopName, HopKeys>> = {};
  for (const name of names) keys[name] = hopKeysFor(name, { hopKeys });
  return createHops(keys, clock);
}

/** The keys of one hop. CONFIG_INVALID where it has none. */
export function hopKeysFor(
  name: HopName | 'status',
  { hopKeys }: Pick<FleetConfig, 'hopKeys'>,
): HopKeys {
  const path = hopKeys[name];
  if (path === undefined) {
    throw new CertmillError(
      'CONFIG_INVALID',
      `hopKeys.${name} is missing: make the file with 'certmill fleet keys' and give it to both sides of the hop`,
    );
  }
  return readHopKeys(path);
}
