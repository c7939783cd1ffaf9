import { PassThrough } from 'node:stream';
import { Terminal } from '../terminal/terminal.js';
import { guardedCaCommand } from './guarded-ca.js';

const stream = (): PassThrough => new PassThrough();
const surroundings = { stdin: stream(), stdout: stream(), stderr: stream(), env: {} };
const terminal = new Terminal(surroundings, new AbortController().signal);

describe('every command of certmill ca', () => {
  it('asks for the quorum, but for those that certify nothing', () => {
    const without = guardedCaCommand(terminal)
      .commands.filter(({ options }) => !options.some(({ long }) => long === '--approval'))
      .map((command) => command.name());
    expect(without.sort()).toEqual(['export', 'request', 'revoked', 'show']);
  });
});
