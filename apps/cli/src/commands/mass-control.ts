import { Command } from 'commander';
import { openClient, withServerOptions, type ServerOptions } from '../client/server-options.js';
import { withExamples } from '../terminal/program.js';
import type { Terminal } from '../terminal/terminal.js';
import { massLines } from './mass-lines.js';

const controls = {
  pause: ['pause a mass operation after the step in hand', 'resume goes on with it'],
  resume: ['go on with a mass operation that was paused or has failed', 'where it was'],
  cancel: ['end a mass operation where it is', 'what it has done stays done'],
} as const;

type Control = keyof typeof controls;

export function massControlCommands(terminal: Terminal): readonly Command[] {
  return (Object.keys(controls) as Control[]).map((control) => {
    const [description, example] = controls[control];
    const command = new Command(control)
      .description(description)
      .argument('<name>')
      .action(async (name: string, options: ServerOptions) => {
        using client = openClient(terminal, options);
        const operation = await client.controlOperation(name, control);
        terminal.report(operation, massLines(operation));
      });
    return withExamples(withServerOptions(command), [[`certmill mass ${control} move-7`, example]]);
  });
}
