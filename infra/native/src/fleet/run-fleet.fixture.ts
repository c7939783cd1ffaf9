import assert from 'node:assert/strict';
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { until } from '../process/until.js';
import { serverVariables } from '../resolve/environment-source.js';

/** A process by pid and start, which together name it for good. */
interface Seen {
  readonly pid: number;
  readonly startedAt: string;
}

/** `npm run fleet` without npm, with servers of its own. */
export class RunningFleet {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  said = '';

  constructor(args: readonly string[]) {
    const env = { ...process.env };
    for (const name of Object.values(serverVariables).flat()) env[name] = '';
    this.child = spawn(process.execPath, [join(import.meta.dirname, 'run-fleet.js'), ...args], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const output of [this.child.stdout, this.child.stderr]) {
      output.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    }
  }

  get isRunning(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** The first group of `pattern` in what it said, as soon as it is there. */
  async says(pattern: RegExp, withinMs = 120_000): Promise<string> {
    const found = (): RegExpExecArray | null => pattern.exec(this.said);
    await until(() => found() !== null || !this.isRunning, withinMs);
    const match = found();
    assert.ok(match !== null, `never said ${String(pattern)}: ${this.said}`);
    return match[1] ?? '';
  }

  /** All processes that it started, also by others of them. */
  descendants(): readonly Seen[] {
    const all = processes();
    const own = new Set([this.child.pid]);
    // A parent may have a higher pid than its child: again until nothing is new.
    for (let size = 0; size < own.size;) {
      size = own.size;
      for (const { pid, parent } of all) if (own.has(parent)) own.add(pid);
    }
    return all.filter(({ pid }) => own.has(pid) && pid !== this.child.pid);
  }

  /** The process that runs the service with this configuration. */
  pidOf(configFile: string): number {
    const found = this.descendants().find(({ pid }) => commandOf(pid).includes(configFile));
    assert.ok(found !== undefined, `nobody runs with ${configFile}`);
    return found.pid;
  }

  /** Resolves to the exit code, null where it was killed. */
  async interrupt(): Promise<number | null> {
    this.child.kill('SIGINT');
    if (this.isRunning) await once(this.child, 'exit');
    return this.child.exitCode;
  }
}

/** Those that are still there. */
export function survivorsOf(seen: readonly Seen[]): readonly string[] {
  const now = new Map(processes().map(({ pid, startedAt }) => [pid, startedAt]));
  return seen
    .filter(({ pid, startedAt }) => now.get(pid) === startedAt)
    .map(({ pid }) => commandOf(pid));
}

function processes(): (Seen & { readonly parent: number })[] {
  return readdirSync('/proc').flatMap((name) => {
    const stat = textOf(name, 'stat');
    if (stat === '') return [];
    // proc(5): the name, in brackets, may hold anything; behind it state, parent ... start.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return [];
    return [{ pid: Number(name), parent: Number(fields[1]), startedAt: fields[19] ?? '' }];
  });
}

function commandOf(pid: number): string {
  return textOf(String(pid), 'cmdline').replaceAll('\0', ' ');
}

/** Empty where there is no such process, or no more. */
function textOf(pid: string, file: string): string {
  if (!/^\d+$/.test(pid)) return '';
  try {
    return readFileSync(join('/proc', pid, file), 'latin1');
  } catch {
    return '';
  }
}
