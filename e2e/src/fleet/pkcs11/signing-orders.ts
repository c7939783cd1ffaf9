import type { Lane } from '@certmill/domain';
import type { SigningPoolsOptions, SigningSlot } from '@certmill/signing';

/** The first line of the standard input of signing-program.ts. */
export interface SigningOrder {
  readonly issuer: string;
  /** Base64. */
  readonly certificateDer: string;
  readonly slots: readonly SigningSlot[];
  readonly options: Pick<
    SigningPoolsOptions,
    'threadsPerSlot' | 'chunkTimeoutMs' | 'openTimeoutMs' | 'restMs'
  >;
}

/** Each further line. `moduleFile` and `tokenLabel` name what is to be lost. */
export type SigningCommand =
  | {
      readonly do: 'sign';
      readonly id: number;
      readonly received: string;
      readonly verdict: string;
      readonly lane: Lane;
    }
  | { readonly do: 'health'; readonly id: number }
  | {
      readonly do: 'logOut' | 'closeSessions';
      readonly id: number;
      readonly moduleFile: string;
      readonly tokenLabel: string;
    };

export const hungExitCode = 70;
