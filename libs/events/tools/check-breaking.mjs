// Refuses a proto that readers or writers of the last release would not understand. Offline: the
// release is an image, proto/released/v1.binpb. `--proto DIR` checks another folder than proto/;
// `--release` makes the current proto the released one, to be committed together with a release.
import { execFileSync } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { lib, withLocalTools } from './buf.mjs';

const { values } = parseArgs({
  options: { proto: { type: 'string' }, release: { type: 'boolean', default: false } },
});
const released = resolve(lib, 'proto/released/v1.binpb');
const checked = resolve(values.proto ?? resolve(lib, 'proto'));
const buf = (...args) => {
  execFileSync('buf', args, { cwd: lib, env: withLocalTools(), stdio: 'inherit' });
};

try {
  const rules = '{"version":"v2","breaking":{"use":["FILE"]}}';
  buf('breaking', checked, '--against', released, '--config', rules);
  if (values.release) buf('build', checked, '--as-file-descriptor-set', '--output', released);
} catch (error) {
  // buf has printed what is wrong; its exit code says whether it could run at all.
  process.exitCode = error.status ?? 1;
}
