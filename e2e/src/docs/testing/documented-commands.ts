import { spawnSync } from 'node:child_process';

export interface Fence {
  readonly language: string;
  readonly text: string;
}

const fencePattern = /^```(\w*)\n([^]*?)^```$/gm;
const shells: readonly string[] = ['sh', 'bash', 'shell', 'console'];

export function fencesOf(markdown: string): Fence[] {
  return [...markdown.matchAll(fencePattern)].map(([, language = '', text = '']) => ({
    language,
    text,
  }));
}

/** What a reader types, in order: each command of the shell fences with all of its lines. */
export function fencedCommands(markdown: string): string[] {
  return fencesOf(markdown)
    .filter(({ language }) => shells.includes(language))
    .flatMap(({ text }) => commandsOf(text));
}

/** Code spans in prose that are commands, such as `npm run lint`. */
export function inlineCommands(markdown: string): string[] {
  const prose = markdown.replaceAll(fencePattern, '');
  const spans = [...prose.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text);
  return spans
    .map((span) => span.replaceAll(/\s+/g, ' '))
    .filter((span) => /^(?:npx |npm |node |certmill [a-z]|\.ci\/)/.test(span));
}

function commandsOf(script: string): string[] {
  const commands: string[] = [];
  let open = '';
  for (const line of script.split('\n')) {
    open += open === '' ? line : `\n${line}`;
    if (open.endsWith('\\') || !isWhole(open)) continue;
    const command = withoutComment(open);
    if (command !== '') commands.push(command);
    open = '';
  }
  if (open !== '') throw new Error(`never ends: ${open}`);
  return commands;
}

/** Whether bash would run it, or wait for more lines, also of a here-document. */
function isWhole(command: string): boolean {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: command, encoding: 'utf8' });
  return status === 0 && !stderr.includes('here-document');
}

function withoutComment(command: string): string {
  return command.replace(/(?:^|\s+)#\s.*$/, '').trim();
}
