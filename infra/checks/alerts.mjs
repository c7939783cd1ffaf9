import { globSync } from 'node:fs';
import { basename } from 'node:path';
import { readText, readYaml, root } from './files.mjs';

/** Each alert has its texts, a runbook that is there, a case in which it fires and one in which it does not. */
export function problemsOfAlerts() {
  const rules = readYaml('infra/prometheus/alerts.yml').groups.flatMap((group) => group.rules);
  const cases = readYaml('infra/prometheus/alerts.test.yml').tests.flatMap(
    (test) => test.alert_rule_test,
  );
  const runbooks = new Set(
    globSync('docs/runbooks/*.md', { cwd: root })
      .map((file) => basename(file))
      .filter((file) => file !== 'README.md'),
  );
  const index = readText('docs/runbooks/README.md');
  const problems = [];
  const used = new Set();
  for (const { alert, labels, annotations } of rules) {
    const say = (what) => problems.push(`${alert}: ${what}`);
    if (!['critical', 'warning'].includes(labels?.severity)) say('no severity');
    if (annotations?.summary === undefined) say('no summary');
    const runbook = basename(annotations?.runbook_url ?? '');
    used.add(runbook);
    if (!runbooks.has(runbook)) say(`there is no docs/runbooks/${runbook}`);
    else if (!alertsOf(readText(`docs/runbooks/${runbook}`)).includes(alert)) {
      say(`${runbook} is about something else`);
    }
    if (!index.includes(`| ${alert} `)) say('not in the list of docs/runbooks/README.md');
    const own = cases.filter(({ alertname }) => alertname === alert);
    if (!own.some(({ exp_alerts: expected }) => expected.length > 0))
      say('no test in which it fires');
    if (!own.some(({ exp_alerts: expected }) => expected.length === 0)) {
      say('no test in which it does not fire');
    }
  }
  for (const runbook of runbooks.difference(used)) {
    // What is planned is led to by the list alone.
    if (!index.includes(`| [${runbook}](${runbook}) `)) {
      problems.push(`${runbook}: no alert leads there`);
    }
  }
  return problems;
}

/** The alerts that a runbook is about: its title names them all. */
const alertsOf = (text) => /^# (.*)\n/.exec(text)?.[1].split(', ') ?? [];
