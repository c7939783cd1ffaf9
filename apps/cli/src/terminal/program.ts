import { Command } from 'commander';
import type { Terminal } from './terminal.js';

/** Makes a command; it writes through the terminal only. */
export type CommandFactory = (terminal: Terminal) => Command;

/** Commands differ much in what they bring along: each is loaded when it is wanted. */
export type CommandLoader = () => Promise<CommandFactory>;

/**
 * The command line: usage errors are thrown (CommanderError), `--json` reaches the terminal.
 * @param wanted the first word: its command alone is loaded, all where it names none (help, typos).
 */
export async function createProgram(
  terminal: Terminal,
  version: string,
  loaders: Readonly<Record<string, CommandLoader>>,
  wanted: string | undefined,
): Promise<Command> {
  const program = new Command('certmill')
    .description(
      'Device certificates in bulk: CSR batches in, certificates out, each accounted for.',
    )
    .version(version, '-V, --version', 'show the version')
    .helpOption('-h, --help', 'show help')
    .showSuggestionAfterError(true)
    // An option belongs to the command that it stands behind: 'bench' and 'bench authority' both have --data.
    .enablePositionalOptions()
    .configureOutput({
      writeOut: (text) => terminal.say(text.trimEnd()),
      writeErr: (text) => terminal.note(text.trimEnd()),
      // The frame says it, in one coded line.
      outputError: () => undefined,
    })
    .hook('preAction', (_program, action) => {
      if (action.opts<{ json?: boolean }>().json === true) terminal.useJson();
    })
    .addHelpText('beforeAll', ({ command }) => {
      refuseUnknownCommand(command);
      return '';
    })
    .addHelpText(
      'after',
      `
Exit status: 0 done, all issued; 2 some requests were rejected; 1 it could not run.
'certmill COMMAND --help' shows the options of a command with examples.
CERTMILL_DEBUG=1 shows where an error came from.`,
    );
  const one = wanted !== undefined && Object.hasOwn(loaders, wanted) ? loaders[wanted] : undefined;
  // Bare options (--version, a wrong one) need no command; --help and no word at all need each.
  const isAboutNone = wanted === '--version' || wanted === '-V';
  const load = one === undefined ? (isAboutNone ? [] : Object.values(loaders)) : [one];
  for (const loader of load) program.addCommand((await loader())(terminal));
  adopt(throwUsage(program));
  return program;
}

/**
 * Help is shown before a command is looked for: of one that there is not, it would be somebody else's. Throws
 * what the same command line without the help throws.
 * @param command whose help is about to be shown.
 */
function refuseUnknownCommand(command: Command): void {
  // 'help NAME' stands for 'NAME --help'.
  const name = command.args[0] === 'help' ? command.args[1] : command.args[0];
  const hasCommandsOnly = command.commands.length > 0 && command.registeredArguments.length === 0;
  if (name === undefined || name.startsWith('-') || !hasCommandsOnly) return;
  if (command.commands.some((known) => known.name() === name)) return;
  command.parse([name], { from: 'user' });
}

/** Commands that were built on their own take over how the program writes and ends. */
function adopt(parent: Command): void {
  for (const command of parent.commands) {
    throwUsage(command.copyInheritedSettings(parent));
    adopt(command);
  }
}

/** Instead of ending the process: the CommanderError, which then says whose help to read. */
function throwUsage(command: Command): Command {
  return command.exitOverride((error) => {
    if (error.exitCode !== 0) error.message += `; see '${pathOf(command)} --help'`;
    throw error;
  });
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

/** Adds examples to a command's help: command line and what it does. */
export function withExamples(
  command: Command,
  examples: readonly (readonly [line: string, does: string])[],
): Command {
  const lines = examples.flatMap(([line, does]) => [`  # ${does}`, `  ${line}`]);
  return command.addHelpText('after', ['', 'Examples:', ...lines].join('\n'));
}
