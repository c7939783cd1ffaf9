// Runs command lines one after the other, as main.ts does, in one process that has loaded them already:
// of what a command says that shows as much, and it is there in a tenth of the time. A line of JSON
// on stdin is the words of one; a line of JSON on stdout is what came of it.
import { Readable } from 'node:stream';
import { createInterface } from 'node:readline';
import { commands } from '../commands.js';
import { createProgram } from '../terminal/program.js';
import { run } from '../terminal/run.js';
import { Terminal } from '../terminal/terminal.js';
import type { Ended } from './run-certmill.js';

/** All that anybody writes to the streams of the process meanwhile. */
async function captured(work: () => Promise<number>): Promise<Ended> {
  const said = { stdout: '', stderr: '' };
  const names = ['stdout', 'stderr'] as const;
  const own = names.map((name) => Object.getOwnPropertyDescriptor(process[name], 'write'));
  for (const name of names) {
    process[name].write = (chunk: string | Uint8Array, ...more: unknown[]) => {
      said[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8');
      const done = more.find((each) => typeof each === 'function');
      if (done !== undefined) process.nextTick(done);
      return true;
    };
  }
  try {
    return { exitCode: await work(), ...said };
  } finally {
    for (const [i, name] of names.entries()) {
      const before = own[i];
      if (before === undefined) Reflect.deleteProperty(process[name], 'write');
      else Object.defineProperty(process[name], 'write', before);
    }
  }
}

async function type(words: readonly string[]): Promise<Ended> {
  const { stdout, stderr, env } = process;
  const surroundings = { stdin: Readable.from([]), stdout, stderr, env };
  const terminal = new Terminal(surroundings, new AbortController().signal);
  const program = await createProgram(terminal, '0', commands, words[0]);
  return captured(() => run(program, terminal, ['node', 'certmill', ...words]));
}

for await (const line of createInterface({ input: process.stdin })) {
  const ended = await type(JSON.parse(line) as string[]);
  process.stdout.write(`${JSON.stringify(ended)}\n`);
}
// What a command has left open keeps no test.
process.exit();
