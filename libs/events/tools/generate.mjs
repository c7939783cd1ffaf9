// Generates src/generated from proto/. With --out DIR the code goes there instead: the tests compare
// it with what is committed. Needs no network: buf and its plug-in are development dependencies.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { lib, withLocalTools } from './buf.mjs';

const { values } = parseArgs({ options: { out: { type: 'string' } } });
const target = values.out === undefined ? [] : ['--output', values.out];
execFileSync('buf', ['generate', ...target], { cwd: lib, env: withLocalTools(), stdio: 'inherit' });
