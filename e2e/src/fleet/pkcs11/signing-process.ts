import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import type { SlotHealth } from '@certmill/signing';
import type { SigningCommand, SigningOrder } from './signing-orders.js';

/** A line that the program wrote. */
export interface Told {
  readonly id?: number;
  readonly change?: SlotHealth;
  readonly opened?: readonly SlotHealth[];
  readonly hung?: string;
  readonly health?: readonly SlotHealth[];
  readonly slot?: string;
  /** Base64. */
  readonly certificates?: readonly string[];
  readonly fault?: string;
  readonly message?: string;
}

type Command = SigningCommand extends infer Each
  ? Each extends { readonly id: number }
    ? Omit<Each, 'id'>
    : never
  : never;

const program = new URL('./signing-program.js', import.meta.url);

/** signing-program.ts as a child process, and all that it said. */
export class SigningProcess {
  readonly told: Told[] = [];
  /** Standard output and error. */
  output = '';
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  private readonly child: ChildProcessWithoutNullStreams;
  private ids = 0;

  constructor(order: SigningOrder, environment: Readonly<Record<string, string>>) {
    this.child = spawn(process.execPath, [program.pathname], {
      env: { ...process.env, ...environment },
    });
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.output += `${line}\n`;
      this.told.push(JSON.parse(line) as Told);
    });
    this.child.stderr.on('data', (data: Buffer) => (this.output += data.toString()));
    this.ended = once(this.child, 'exit').then(([code, signal]) => {
      return { code: code as number | null, signal: signal as string | null };
    });
    this.child.stdin.on('error', () => undefined);
    this.send(order);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** The answer to a command; a line that tells a fault is one. */
  async ask(command: Command): Promise<Told> {
    const id = ++this.ids;
    this.send({ ...command, id });
    return this.until((told) => told.id === id, JSON.stringify(command).slice(0, 40));
  }

  /** The first line that fits, of those behind `from` too that are still to come. */
  async until(fits: (told: Told) => boolean, what: string, from = 0): Promise<Told> {
    const deadline = performance.now() + 150_000;
    for (;;) {
      const found = this.told.slice(from).find(fits);
      if (found !== undefined) return found;
      if (performance.now() > deadline || this.child.exitCode !== null) {
        throw new Error(`${what}: not told, but\n${this.output}`);
      }
      await pause(10);
    }
  }

  becomes(slot: string, state: SlotHealth['state'], from = 0): Promise<Told> {
    const fits = ({ change }: Told): boolean => change?.slot === slot && change.state === state;
    return this.until(fits, `${slot} ${state}`, from);
  }

  /** Ends its standard input, at which it stops. */
  async stop(): Promise<{ readonly code: number | null; readonly signal: string | null }> {
    this.child.stdin.end();
    return this.ended;
  }

  /** For a test that failed: a no-op where it has ended. */
  kill(): void {
    this.child.kill('SIGKILL');
  }

  private send(message: object): void {
    this.child.stdin.write(`${JSON.stringify(message)}\n`);
  }
}
