// What of `npm run check:infra` needs no other tool than Node runs with every test; and its checks can fail.
import { problemsOfAlerts } from '../infra/checks/alerts.mjs';
import { composeConfigs, missingParts } from '../infra/checks/compose.mjs';
import { problemsOfConfigs } from '../infra/checks/fleet-configs.mjs';
import { openDoors, strayPaths, wrongTriggers } from '../infra/checks/manifests.mjs';
import {
  documentedSeries,
  problemsOfQuery,
  queries,
  undocumentedMetrics,
  unknownNames,
} from '../infra/checks/metric-names.mjs';
import { missingTools } from '../infra/checks/tools.mjs';

describe('alerts and dashboards', () => {
  test('use names and labels of docs/metrics.md only', () => {
    expect(queries().length).toBeGreaterThan(80);
    expect(documentedSeries().size).toBeGreaterThan(40);
    expect(unknownNames()).toEqual([]);
  });

  test('lead to runbooks, and each alert has both kinds of cases', () => {
    expect(problemsOfAlerts()).toEqual([]);
  });

  test('docs/metrics.md has what the code makes', () => {
    expect(undocumentedMetrics()).toEqual([]);
  });

  test.each([
    ['a name with a slip', 'sum(rate(certmill_fault_total[5m]))', 'certmill_fault_total'],
    ['a label that the metric has not', 'certmill_halted{stage="sign"}', 'no label stage'],
    ['a histogram without its suffix', 'rate(certmill_chunk_wait_seconds[5m])', 'certmill_chunk'],
    ['a grouping by nothing', 'sum by (tenant) (certmill_waiting)', 'label tenant'],
  ])('%s is found', (_, query, problem) => {
    expect(problemsOfQuery(query)).toEqual([expect.stringContaining(problem)]);
  });
});

describe('configurations', () => {
  test('of the compose files are good, and what they mount is there', async () => {
    expect(composeConfigs()).toHaveLength(5);
    expect(await problemsOfConfigs(composeConfigs())).toEqual([]);
    expect(missingParts()).toEqual([]);
  });

  test('with a key that no service knows are found', async () => {
    const [{ text }] = composeConfigs();
    const problems = await problemsOfConfigs([{ where: 'here', text: `${text}\nlane: bulk\n` }]);
    expect(problems).toEqual([expect.stringContaining('lane')]);
  });
});

describe('manifests', () => {
  const labels = { 'app.kubernetes.io/component': 'validate' };
  const podWith = (path, config = '') => [
    {
      kind: 'Deployment',
      metadata: { name: 'v', labels },
      spec: {
        template: {
          spec: {
            volumes: [
              {
                name: 'secrets',
                projected: { sources: [{ secret: { items: [{ path }] } }] },
              },
            ],
          },
        },
      },
    },
    { kind: 'ConfigMap', metadata: { name: 'v' }, data: { 'fleet.yaml': config } },
  ];

  test('that give a role the secret of another one are found', () => {
    expect(strayPaths({ name: 'x', objects: podWith('hop/received.json') })).toEqual([]);
    expect(strayPaths({ name: 'x', objects: podWith('slots/hsm/pin') })).toEqual([
      'x: v has slots/hsm/pin',
    ]);
  });

  test('that name a file and do not mount it are found', () => {
    const config = 'received: /etc/certmill/secrets/hop/validated.json';
    const objects = podWith('hop/received.json', config);
    expect(strayPaths({ name: 'x', objects })).toEqual([
      expect.stringContaining('hop/validated.json, which is not mounted'),
    ]);
  });

  test('that scale by the wrong group are found', () => {
    const triggerOf = (consumerGroup) => ({
      kind: 'ScaledObject',
      metadata: { name: 'v', labels },
      spec: {
        triggers: [
          {
            type: 'kafka',
            metadata: { topic: 'certmill.requests.received.v1.bulk', consumerGroup },
          },
        ],
      },
    });
    const right = triggerOf('certmill-validate.certmill.requests.received.v1.bulk');
    expect(wrongTriggers({ name: 'x', objects: [right] })).toEqual([]);
    expect(wrongTriggers({ name: 'x', objects: [triggerOf('certmill-validate')] })).toHaveLength(1);
  });

  test('that open the HSM to every role are found', () => {
    const policy = (name, matchLabels, rest) => ({
      kind: 'NetworkPolicy',
      metadata: { name },
      spec: { podSelector: { matchLabels }, ...rest },
    });
    const deny = policy('x-deny', {}, { policyTypes: ['Ingress', 'Egress'] });
    const hsm = policy('x-hsm', {}, { policyTypes: ['Egress'], egress: [{}] });
    expect(openDoors({ name: 'x', objects: [deny] })).toEqual([]);
    expect(openDoors({ name: 'x', objects: [deny, hsm] })).toHaveLength(1);
    expect(openDoors({ name: 'x', objects: [] })).toEqual(['x: nothing denies by default']);
  });
});

test('a tool that is missing is named with how to get it', () => {
  const missing = missingTools({ PATH: '/nowhere', CERTMILL_NATIVE_CACHE: '/nowhere' });
  expect(missing).toHaveLength(4);
  expect(missing.join()).toMatch(/promtool is missing: .*apt-get install prometheus/);
});
