import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { queries } from './metric-names.mjs';
import { problemsOf } from './tools.mjs';

export function problemsOfRules() {
  return [
    ...problemsOf('promtool', ['check', 'config', 'infra/prometheus/prometheus.yml']),
    ...problemsOf('promtool', ['check', 'rules', 'infra/prometheus/alerts.yml']),
    ...problemsOf('promtool', ['test', 'rules', 'infra/prometheus/alerts.test.yml']),
  ];
}

/** promtool checks no single query, but it does check rules: each query becomes one. */
export function problemsOfQueries() {
  const folder = mkdtempSync(join(tmpdir(), 'certmill-queries-'));
  const file = join(folder, 'queries.json');
  const rules = queries().map(({ where, query }, i) => ({
    record: `query_${i}`,
    expr: query.replaceAll('$__rate_interval', '5m').replaceAll(/\$(\w+)/g, '$1'),
    labels: { where },
  }));
  try {
    writeFileSync(file, JSON.stringify({ groups: [{ name: 'queries', rules }] }));
    return problemsOf('promtool', ['check', 'rules', file]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
