import { parseArgs } from 'node:util';
import { CertmillError } from '@certmill/domain';
import { scenarioNames, usualScenarios, type ScenarioName, type Size } from './scenarios.js';

export interface LoadOptions {
  readonly scenarios: readonly ScenarioName[];
  readonly isShort: boolean;
  /** Both or none: without them a server is started. */
  readonly server: { readonly url: string; readonly key: string } | undefined;
  /** What is started is a fleet. */
  readonly isFleet: boolean;
  readonly changes: Partial<Size>;
  /** Where k6 is, if not on the PATH and not to be installed. */
  readonly k6: string | undefined;
  readonly reports: string | undefined;
  readonly savesBaseline: boolean;
}

export const usage = `npm run load-test [scenario...] [-- options]

Scenarios: ${scenarioNames.join(', ')}; without one: ${usualScenarios.join(', ')}.

  --short            all of them, small: under 90 seconds
  --fleet            against a fleet of this machine, not one process; under 120 seconds with --short
  --url <url>        a server that runs; with --key or CERTMILL_API_KEY, of a role that may open tenants
  --key <key>        other users of the machine see it: prefer CERTMILL_API_KEY
  --size <n>         requests of a batch
  --tenants <n>      tenants that upload at once
  --batches <n>      batches of each tenant (bulk)
  --rate <n>         single enrolments a second
  --seconds <n>      how long enrolments come
  --warm-up <n>      requests of a batch before the first that counts (bulk)
  --k6 <file>        the k6 to run; else that of the PATH, else one is installed
  --reports <dir>    where reports go (load-tests/reports)
  --save-baseline    make this run what later ones on this machine are compared with
`;

/** CONFIG_INVALID where the command line says something that cannot be done. */
export function readOptions(args: readonly string[], env: NodeJS.ProcessEnv): LoadOptions {
  const { values, positionals } = parse(args);
  const scenarios = positionals.map(scenarioNamed);
  const key = values.key ?? env['CERTMILL_API_KEY'];
  if (values.url !== undefined && key === undefined) {
    throw new CertmillError('CONFIG_INVALID', '--url needs --key or CERTMILL_API_KEY');
  }
  const isShort = values.short === true;
  const isFleet = values.fleet === true;
  if (isFleet && values.url !== undefined) {
    throw new CertmillError('CONFIG_INVALID', '--fleet starts one: it does not go with --url');
  }
  return {
    scenarios: scenarios.length > 0 ? scenarios : isShort ? scenarioNames : usualScenarios,
    isShort,
    server: values.url === undefined || key === undefined ? undefined : { url: values.url, key },
    isFleet,
    changes: {
      ...count('size', values.size),
      ...count('tenants', values.tenants),
      ...count('batches', values.batches),
      ...count('rate', values.rate),
      ...count('seconds', values.seconds),
      ...count('warmUp', values['warm-up'], 0),
    },
    k6: values.k6,
    reports: values.reports,
    savesBaseline: values['save-baseline'] === true,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        short: flag,
        fleet: flag,
        url: text,
        key: text,
        size: text,
        tenants: text,
        batches: text,
        rate: text,
        seconds: text,
        'warm-up': text,
        k6: text,
        reports: text,
        'save-baseline': flag,
      },
    });
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : 'the command line is wrong';
    throw new CertmillError('CONFIG_INVALID', said, { cause });
  }
}

function scenarioNamed(name: string): ScenarioName {
  const found = scenarioNames.find((each) => each === name);
  if (found !== undefined) return found;
  throw new CertmillError(
    'CONFIG_INVALID',
    `there is no scenario ${name}: ${scenarioNames.join(', ')}`,
  );
}

function count(name: keyof Size, text: string | undefined, least = 1): Partial<Size> {
  if (text === undefined) return {};
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= least) return { [name]: value };
  throw new CertmillError('CONFIG_INVALID', `${name} is a whole number from ${String(least)}`);
}
