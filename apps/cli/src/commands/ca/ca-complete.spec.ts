import { join } from 'node:path';
import { CaFolder } from '../../testing/ca-folder.js';

describe('ca complete', () => {
  let folder: CaFolder;
  beforeAll(async () => {
    folder = await CaFolder.make();
  });
  afterAll(() => folder[Symbol.dispose]());

  it('says what another certificate takes away of a CA, and takes it in where that is meant', async () => {
    const [request, chain] = ['line.csr', 'line-chain.pem'].map((name) => join(folder.path, name));
    const made = [
      ['request', 'line', '--renewal', '--out', request!],
      ['sign', request!, '--under', 'root', '--purpose', '1.3.6.1.5.5.7.3.2', '-o', chain!],
    ];
    for (const args of made) expect(await folder.ca(...args)).toMatchObject({ exitCode: 0 });
    const complete = ['complete', 'line', '--ends-earlier', '--chain', chain!];
    expect(await folder.ca(...complete)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringMatching(
        /CONFLICT.* takes away extKeyUsage: all but id-kp-clientAuth \(--narrower-constraints\)/s,
      ) as string,
    });
    expect(await folder.ca(...complete, '--narrower-constraints')).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('extKeyUsage is new') as string,
    });
  });
});
