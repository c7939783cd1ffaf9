import { parseArgs } from 'node:util';
import { CertmillError } from '@certmill/domain';
import { defaultPlan } from './local-fleet.js';
import type { ServicePlan } from './service-maker.js';

export interface FleetOptions {
  readonly brokers: 1 | 3;
  /** Processes of each kind that share the bulk lane. */
  readonly validate: number;
  readonly sign: number;
  /** Of the API. */
  readonly port: number;
  /** Of the validation authority. */
  readonly statusPort: number;
  /** Where keys, configuration and logs go and stay; a folder that is removed at the end where absent. */
  readonly keep: string | undefined;
  readonly showsKey: boolean;
}

export const fleetUsage = `npm run fleet [-- options]

A whole fleet on this machine: Kafka, MongoDB, Redis and tokens of SoftHSM2 as infra/native finds or
starts them, a CA made for it, and each service as a process of its own. Ctrl-C stops everything.

  --port <n>        of the API (8460)
  --status-port <n> of the validation authority: OCSP, CRLs (8462)
  --brokers <1|3>   Kafka brokers (1)
  --validate <n>    processes of validate for bulk (1)
  --sign <n>        processes of sign for bulk (1)
  --keep <dir>      CA, keys, configuration and logs go there and stay; the servers' data do not
  --show-key        print the admin's API key too, not only where it lies
`;

const defaultPorts = { api: 8460, status: 8462 } as const;
const mostProcesses = 64;

/** CONFIG_INVALID where the command line says something that cannot be done. */
export function readFleetOptions(args: readonly string[]): FleetOptions {
  const values = parse(args);
  const brokers = wholeNumber('--brokers', values.brokers ?? '1', 3);
  if (brokers !== 1 && brokers !== 3) {
    throw new CertmillError('CONFIG_INVALID', '--brokers must be 1 or 3');
  }
  const port = portOf('--port', values.port, defaultPorts.api);
  const statusPort = portOf('--status-port', values['status-port'], defaultPorts.status);
  if (port === statusPort) {
    throw new CertmillError('CONFIG_INVALID', '--port and --status-port must not be the same');
  }
  return {
    brokers,
    validate: wholeNumber('--validate', values.validate ?? '1', mostProcesses),
    sign: wholeNumber('--sign', values.sign ?? '1', mostProcesses),
    port,
    statusPort,
    keep: values.keep,
    showsKey: values['show-key'] === true,
  };
}

/** The usual plan with so many processes for bulk. */
export function planOf(options: Pick<FleetOptions, 'validate' | 'sign'>): readonly ServicePlan[] {
  return defaultPlan.map((plan) => {
    const isCounted = plan.role === 'validate' || plan.role === 'sign';
    return isCounted && plan.lanes.includes('bulk') ? { ...plan, count: options[plan.role] } : plan;
  });
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const options = {
      port: text,
      'status-port': text,
      brokers: text,
      validate: text,
      sign: text,
      keep: text,
      'show-key': flag,
    };
    return parseArgs({ args: [...args], options }).values;
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : 'the command line is wrong';
    throw new CertmillError('CONFIG_INVALID', said, { cause });
  }
}

function portOf(option: string, text: string | undefined, usual: number): number {
  return wholeNumber(option, text ?? String(usual), 65_535);
}

function wholeNumber(option: string, text: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  throw new CertmillError(
    'CONFIG_INVALID',
    `${option} must be a whole number from 1 to ${String(most)}`,
  );
}
