import { createInterface } from 'node:readline';
import { isCertmillError } from '@certmill/domain';
import {
  endProcess,
  openSigningPools,
  type SigningPools,
  type SigningPoolsOptions,
  type SigningSlot,
} from '@certmill/signing';
import { closeTokenSessions, logOutOfToken, tlsClientText } from '@certmill/signing/testing';
import type { Lane } from '@certmill/domain';

/** The first line of its standard input. */
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

/**
 * A sign service in little, as a process of its own: opens the slots, signs what it is told, ends as an
 * owner of pools has to when a slot hangs, and at the end of its standard input.
 */
function tell(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

function faultOf(error: unknown): object {
  return isCertmillError(error)
    ? { fault: error.code, message: error.message }
    : { fault: 'unknown', message: String(error) };
}

async function obey(pools: SigningPools, command: SigningCommand): Promise<object> {
  switch (command.do) {
    case 'sign': {
      const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
      const { received, verdict, lane } = command;
      const signed = await pools.sign(bytes(received), bytes(verdict), lane);
      let at = 0;
      const certificates = signed.certificateLengths.map((length) => {
        at += length;
        return Buffer.from(signed.certificatesDer.subarray(at - length, at)).toString('base64');
      });
      return { slot: signed.slot, certificates };
    }
    case 'health':
      return { health: pools.health() };
    case 'logOut':
      logOutOfToken(command.moduleFile, command.tokenLabel);
      return {};
    case 'closeSessions':
      closeTokenSessions(command.moduleFile, command.tokenLabel);
      return {};
  }
}

async function run(order: SigningOrder, commands: AsyncIterator<string>): Promise<void> {
  const inHand = new Set<Promise<void>>();
  const pools = await openSigningPools({
    ...order.options,
    issuers: [
      {
        name: order.issuer,
        chainDer: [Buffer.from(order.certificateDer, 'base64')],
        slots: order.slots,
      },
    ],
    profiles: () => tlsClientText,
    serialKeys: [{ id: 1, key: Buffer.alloc(16, 7) }],
    onSlotChange: (change) => tell({ change }),
    onHung: ({ slot }) => {
      tell({ hung: slot });
      void Promise.all(inHand).then(() => endProcess(hungExitCode));
    },
  });
  tell({ opened: pools.health() });
  for (let next = await commands.next(); next.done !== true; next = await commands.next()) {
    const command = JSON.parse(next.value) as SigningCommand;
    const answered = obey(pools, command)
      .catch(faultOf)
      .then((answer) => {
        tell({ id: command.id, ...answer });
        inHand.delete(answered);
      });
    inHand.add(answered);
  }
  await pools.stop(2_000);
  if (pools.health().some(({ hungThreads }) => hungThreads > 0)) await endProcess(0);
}

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const first = await lines.next();
try {
  await run(JSON.parse(first.value as string) as SigningOrder, lines);
} catch (error) {
  tell(faultOf(error));
  process.exitCode = 1;
}
