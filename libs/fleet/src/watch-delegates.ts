import { DelegateEnds } from '@certmill/trust';
import type { Trust } from './keys/trust-folder.js';
import type { ServiceContext } from './service-context.js';

/** The delegates in the folders that the role is given, and the gauge of those that people are to replace. */
export function watchDelegates(
  { config, clock, metrics }: Pick<ServiceContext, 'config' | 'clock' | 'metrics'>,
  { catalogue, authorities }: Pick<Trust, 'catalogue' | 'authorities'>,
): DelegateEnds {
  const { responders } = config.ocsp;
  const ends = new DelegateEnds({
    names: catalogue,
    caOf: (name) => authorities.find(name),
    dataDirectory: config.trust ?? '',
    // Sign makes and renews them: seen where this process is given the folder too.
    certifies: (name) => catalogue.find(name) !== undefined,
    ...(responders === undefined ? {} : { responders }),
    clock,
  });
  metrics.trust.delegates(ends);
  return ends;
}
