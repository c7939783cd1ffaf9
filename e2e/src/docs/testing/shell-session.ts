import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

export interface Ran {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A shell that keeps its variables, functions and folder from command to command, as a person's does. */
export interface ShellSession extends AsyncDisposable {
  run(command: string): Promise<Ran>;
  /** Leaves it running; resolves to the first match in its stdout. */
  start(command: string, says: RegExp): Promise<RegExpExecArray>;
  /** Ctrl-C for what was started; resolves to all that they wrote to stderr once they have ended. */
  interrupt(): Promise<string[]>;
}

/**
 * `npx` costs as much as the command itself: here its own work, to find the program in the nearest
 * node_modules, is the shell's. `command npx` is the real one.
 */
const quickNpx = `npx() {
  local at=$PWD
  while [ ! -x "$at/node_modules/.bin/$1" ]; do
    [ -n "$at" ] || { command npx "$@"; return; }
    at=\${at%/*}
  done
  PATH="$at/node_modules/.bin:$PATH" "$@"
}
export -f npx
`;

const endMark = '--- the command has ended ---';

export function openShell(
  cwd: string,
  environment: Readonly<Record<string, string>>,
): ShellSession {
  const options = { cwd, env: environment, stdio: 'pipe', detached: true } as const;
  const shell = spawn('bash', ['-s'], options);
  shell.stdin.write(quickNpx);
  const started = new Map<ChildProcess, { stderr: string; readonly ended: Promise<unknown> }>();
  return {
    async run(command) {
      const ended = Promise.all([untilMark(shell.stdout), untilMark(shell.stderr)]);
      shell.stdin.write(
        `{ ${command}\n} < /dev/null; printf '%s%d\\n' '${endMark}' $?; echo '${endMark}' >&2\n`,
      );
      const [out, err] = await ended;
      return { exitCode: Number(out.after), stdout: out.text, stderr: err.text };
    },
    start(command, says) {
      const child = spawn('bash', ['-c', command], options);
      child.stdin.end();
      const one = { stderr: '', ended: once(child, 'close') };
      started.set(child, one);
      child.stderr.setEncoding('utf8').on('data', (text: string) => (one.stderr += text));
      return new Promise((resolve, reject) => {
        let stdout = '';
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          stdout += text;
          const match = says.exec(stdout);
          if (match !== null) resolve(match);
        });
        child.once('close', () =>
          reject(new Error(`ended before it said ${String(says)}: ${stdout}${one.stderr}`)),
        );
      });
    },
    async interrupt() {
      for (const child of started.keys()) signalGroup(child, 'SIGINT');
      const all = [...started.values()];
      await Promise.all(all.map(({ ended }) => ended));
      started.clear();
      return all.map(({ stderr }) => stderr);
    },
    async [Symbol.asyncDispose]() {
      const ended = [once(shell, 'close'), ...[...started.values()].map((one) => one.ended)];
      for (const child of [shell, ...started.keys()]) signalGroup(child, 'SIGKILL');
      await Promise.all(ended);
    },
  };
}

/** As a terminal does: to the command and to whatever it runs. */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    // It has ended by itself.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function untilMark(
  stream: NodeJS.ReadableStream,
): Promise<{ readonly text: string; readonly after: string }> {
  let text = '';
  return new Promise((resolve) => {
    const listen = (data: string | Buffer): void => {
      text += data.toString();
      const end = text.indexOf(endMark);
      if (end === -1 || !text.endsWith('\n')) return;
      stream.off('data', listen);
      resolve({ text: text.slice(0, end), after: text.slice(end + endMark.length).trim() });
    };
    stream.on('data', listen);
  });
}
