import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Says which modules of OpenTelemetry a server loads, without tracing and then with it. */
const script = `
  import { registerHooks } from 'node:module';
  const loaded = new Set();
  registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      const name = /@opentelemetry\\/([^/]+)/.exec(found.url)?.[1];
      if (name !== undefined) loaded.add(name);
      return found;
    },
  });
  const [{ openTracing, createLogger }] = await Promise.all([
    import('@certmill/platform'),
    import('@certmill/platform/http'),
    import('@certmill/standalone'),
  ]);
  const without = [...loaded];
  const logger = createLogger('silent');
  await openTracing({ url: 'http://127.0.0.1:9', ratio: 0, service: 'test', logger });
  process.stdout.write(JSON.stringify({ without, added: [...loaded].filter((name) => !without.includes(name)) }));
`;

describe('a server without tracing', () => {
  it('does not load the SDK', async () => {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '--eval', script],
      { cwd: import.meta.dirname },
    );
    const { without, added } = JSON.parse(stdout) as { without: string[]; added: string[] };
    // prom-client brings the API along, which is interfaces only.
    expect(without).toEqual(['api']);
    expect(added).toEqual(expect.arrayContaining(['sdk-trace', 'exporter-trace-otlp-http']));
  });
});
