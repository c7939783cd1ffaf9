// Runs what makes and renews CAs, stopped before each durable step in turn, and then typed again:
//   node stop-at-each-step.js EMPTY-FOLDER
// A step that never returns leaves the folder as `kill -9` does, without the start of a process each.
import promises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';

/** Whatever gives a folder or a file its name, or takes it. */
const steps = ['mkdir', 'rename', 'link', 'rm'] as const;
/** Steps of the running command that are let through; what comes behind them hangs. */
let room = Infinity;
let reached: () => void = () => undefined;

for (const name of steps) {
  const original = promises[name] as (...args: unknown[]) => Promise<unknown>;
  const stopping = (...args: unknown[]): Promise<unknown> => {
    room -= 1;
    if (room >= 0) return original(...args);
    reached();
    return new Promise(() => undefined);
  };
  Object.assign(promises, { [name]: stopping });
}
syncBuiltinESMExports();

const { distinguishedNameDer } = await import('../distinguished-name.js');
const { createRoot, issueAuthority } = await import('../issue-authority.js');
const { loadAuthorities } = await import('../load-issuers.js');
const { renewAuthority } = await import('../renew-authority.js');

const [, , folder = ''] = process.argv;
const passphrase = 'only for this test';
const nowMs = Date.now();
const named = (name: string) => ({
  subjectDer: distinguishedNameDer([{ type: 'commonName', value: name }]),
  ...{ passphrase, keyType: 'ec-p256' as const },
});
const under = (directory: string, name: string) => ({ directory, name, passphrase });
const root = (directory: string): Promise<unknown> =>
  createRoot({ directory, ...named('root') }, nowMs);
const intermediate = (directory: string): Promise<unknown> =>
  issueAuthority(
    { directory, name: 'oem', ...named('oem'), pathLenConstraint: 1 },
    under(directory, 'root'),
    nowMs,
  );
const issuing = (directory: string): Promise<unknown> =>
  issueAuthority(
    { directory, name: 'factory', ...named('factory'), pathLenConstraint: 0 },
    under(directory, 'oem'),
    nowMs,
  );
const renew = (directory: string): Promise<unknown> =>
  renewAuthority({ directory, name: 'oem', parent: under(directory, 'root'), nowMs });

/** What each command starts from, and what it is. */
const commands = {
  root: { before: [], run: root },
  issue: { before: [root], run: intermediate },
  renew: { before: [root, intermediate, issuing], run: renew },
} as const;

const outcomeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  );

for (const [command, { before, run }] of Object.entries(commands)) {
  const start = join(folder, command);
  await promises.mkdir(start);
  for (const step of before) await step(start);
  for (let count = 0; ; count += 1) {
    const work = `${start}-${String(count)}`;
    await cp(start, work, { recursive: true });
    const stopped = new Promise<string>((resolve) => {
      reached = () => resolve('stopped');
    });
    room = count;
    const first = await Promise.race([stopped, outcomeOf(run(work))]);
    room = Infinity;
    // Another folder: what is stopped holds its lock for ever.
    const left = `${work}-left`;
    await cp(work, left, { recursive: true });
    const seen = (await loadAuthorities(left)).map(({ name }) => name);
    const again = await outcomeOf(run(left));
    const told = JSON.stringify({ command, count, folder: left, first, seen, again });
    process.stdout.write(`${told}\n`);
    if (first !== 'stopped') break;
  }
}
process.exit(0);
