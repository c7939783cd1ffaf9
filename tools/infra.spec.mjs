// What of `npm run check:infra` needs no other tool than Node runs with every test; and its checks can fail.
import { problemsOfAlerts } from '../infra/checks/alerts.mjs';
import {
  composeConfigs,
  lostMarks as lostMarksOfCompose,
  missingParts,
} from '../infra/checks/compose.mjs';
import { problemsOfConfigs } from '../infra/checks/fleet-configs.mjs';
import {
  lostMarks,
  lostTargets,
  openDoors,
  strayPaths,
  waysToBrokers,
  waysToHsm,
  wrongSaturation,
  wrongTriggers,
} from '../infra/checks/manifests.mjs';
import {
  documentedSeries,
  problemsOfQuery,
  queries,
  selects,
  seriesIn,
  unansweredQueries,
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
    ["a grouping by another metric's label", 'sum by (lane) (certmill_waiting)', 'label lane'],
  ])('%s is found', (_, query, problem) => {
    expect(problemsOfQuery(query)).toEqual([expect.stringContaining(problem)]);
  });
});

describe('what services tell', () => {
  const told = '# HELP a A.\n# TYPE a counter\na{code="x",for="y\\"z"} 1\n# TYPE b gauge\n';

  test('is read with its labels, and with what is declared only', () => {
    expect(seriesIn(told)).toEqual({
      series: [{ name: 'a', labels: { code: 'x', for: 'y"z' } }],
      declared: new Set(['a', 'b']),
    });
  });

  test.each([
    ['=', 'kafka', 'kafka', true],
    ['!=', 'kafka', 'kafka', false],
    ['=~', 'a|b', 'ab', false],
    ['=~', '.+[.]($lane)', 'topic.bulk', true],
    ['!~', 'a|b', 'b', false],
  ])('is selected as Prometheus does: %s %s, %s', (operator, value, actual, isSelected) => {
    expect(selects({ operator, value }, actual)).toBe(isSelected);
  });

  test('and is asked for in vain is found', () => {
    const text = '# TYPE certmill_waiting gauge\ncertmill_waiting{for="kafka"} 0\n';
    const problems = unansweredQueries([text], { certmill_nobody: 'nobody asks' });
    expect(problems).toContain(
      'alert CertmillWaiting: certmill_waiting{for="redis"} selects nothing',
    );
    expect(problems).toContain(
      'alert CertmillHalted: certmill_halted is not in what services tell',
    );
    expect(problems).toContain('no query asks for certmill_nobody');
    const waiting = problems.filter((problem) => problem.includes('certmill_waiting'));
    expect(waiting).toHaveLength(1);
  });
});

describe('configurations', () => {
  test('of the compose files are good, and what they mount is there', async () => {
    expect(composeConfigs()).toHaveLength(6);
    expect(await problemsOfConfigs(composeConfigs())).toEqual([]);
    expect(missingParts()).toEqual([]);
  });

  test('with a key that no service knows are found', async () => {
    const [{ text }] = composeConfigs();
    const problems = await problemsOfConfigs([{ where: 'here', text: `${text}\nlane: bulk\n` }]);
    expect(problems).toEqual([expect.stringContaining('lane')]);
  });

  test('of the compose file give sign a volume of its own for its marks, or are found', () => {
    expect(lostMarksOfCompose()).toEqual([]);
    const compose = (mount, more = {}) => ({
      services: { sign: { volumes: [mount] }, ...more },
      volumes: { marks: null },
    });
    const config = { statusMarks: '/var/lib/certmill/status-marks' };
    const mount = `marks:${config.statusMarks}`;
    expect(lostMarksOfCompose(compose(mount), config)).toEqual([]);
    const forgets = ['docker-compose.yml: sign forgets its statusMarks'];
    expect(lostMarksOfCompose(compose(config.statusMarks), config)).toEqual(forgets);
    expect(lostMarksOfCompose(compose(`${mount}:ro`), config)).toEqual(forgets);
    expect(lostMarksOfCompose(compose(mount), {})).toEqual(forgets);
    const ingest = { volumes: ['marks:/elsewhere:ro'] };
    expect(lostMarksOfCompose(compose(mount, { ingest }), config)).toEqual([
      'docker-compose.yml: ingest has the statusMarks of sign',
    ]);
    const other = { statusMarks: '/var/lib/else' };
    expect(lostMarksOfCompose(compose('marks:/var/lib/else'), other)).toEqual([
      'Dockerfile: nobody makes /var/lib/else',
    ]);
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

  test('that scale what is not there, or is of another kind, are found', () => {
    const scaled = (scaleTargetRef) => ({
      kind: 'ScaledObject',
      metadata: { name: 's' },
      spec: { scaleTargetRef },
    });
    const sign = { kind: 'StatefulSet', metadata: { name: 'sign' } };
    const lost = (target) => lostTargets({ name: 'x', objects: [sign, scaled(target)] });
    expect(lost({ kind: 'StatefulSet', name: 'sign' })).toEqual([]);
    expect(lost({ name: 'sign' })).toEqual(['x: s scales nothing']);
    expect(lost({ kind: 'StatefulSet', name: 'other' })).toEqual(['x: s scales nothing']);
  });

  describe('with a sign', () => {
    const folder = '/var/lib/marks';
    const lostWith = ({ mount = {}, claim = 'marks', config = folder, values = {} } = {}) => {
      const volumeMounts = [{ name: 'marks', mountPath: folder, ...mount }];
      const sign = {
        kind: 'StatefulSet',
        metadata: { name: 'sign', labels: { 'app.kubernetes.io/component': 'sign' } },
        spec: {
          template: { spec: { containers: [{ volumeMounts }] } },
          volumeClaimTemplates: [{ metadata: { name: claim } }],
        },
      };
      const data = { 'fleet.yaml': `lanes: []\nstatusMarks: ${config}\n` };
      const configMap = { kind: 'ConfigMap', metadata: { name: 'sign' }, data };
      return lostMarks({ name: 'x', values, objects: [sign, configMap] });
    };

    test('that keeps its marks in a claim of its own, or need not, are good', () => {
      expect(lostWith()).toEqual([]);
      expect(lostWith({ claim: 'other', values: { statusMarks: { enabled: false } } })).toEqual([]);
    });

    test.each([
      ['in a volume that ends with the pod', { claim: 'other' }],
      ['where it cannot write', { mount: { readOnly: true } }],
      ['elsewhere than it is told', { config: '/tmp' }],
    ])('that keeps them %s are found', (_, made) => {
      expect(lostWith(made)).toEqual(['x: sign forgets its statusMarks']);
    });

    test('are all that are shown', () => {
      expect(lostMarks({ name: 'x', values: {}, objects: [] })).toEqual(['x: there is no sign']);
    });
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

  test('that open the brokers to status, or to nobody, are found', () => {
    const component = 'app.kubernetes.io/component';
    const brokers = (podSelector) => ({
      kind: 'NetworkPolicy',
      metadata: { name: 'x-brokers' },
      spec: { podSelector, egress: [{ ports: [{ port: 9092, protocol: 'TCP' }] }] },
    });
    const ways = (podSelector) =>
      waysToBrokers({ name: 'x', objects: [brokers(podSelector)], values: {} });
    const butStatus = { key: component, operator: 'NotIn', values: ['status'] };
    expect(ways({ matchExpressions: [butStatus] })).toEqual([]);
    expect(ways({})).toEqual(['x: x-brokers lets status to the brokers']);
    expect(ways({ matchLabels: { [component]: 'publish' } })).toHaveLength(4);
    const onlyStatus = { key: component, operator: 'In', values: ['status'] };
    expect(ways({ matchExpressions: [onlyStatus] })).toHaveLength(6);
  });

  test('that give status how to speak to the brokers, or a key, are found', () => {
    const ofStatus = (path) => {
      const [pod, config] = podWith(path);
      pod.metadata.labels = { 'app.kubernetes.io/component': 'status' };
      return strayPaths({ name: 'x', objects: [pod, config] });
    };
    expect(ofStatus('trust/serial-keys.json')).toEqual([]);
    expect(ofStatus('trust/ca/issuing/chain.pem')).toEqual([]);
    expect(ofStatus('mongo/password')).toEqual([]);
    for (const path of ['kafka/password', 'responders/passphrase', 'trust/ca/issuing/key.pem']) {
      expect(ofStatus(path)).toEqual([`x: v has ${path}`]);
    }
  });

  describe('with an HSM', () => {
    const component = 'app.kubernetes.io/component';
    const hsm = { ports: [1792], to: [{ ipBlock: { cidr: '192.0.2.0/28' } }] };
    const policy = (name, matchLabels, ...egress) => ({
      kind: 'NetworkPolicy',
      metadata: { name },
      spec: { podSelector: { matchLabels }, policyTypes: ['Egress'], egress },
    });
    const rule = (port, cidr, more = {}) => ({
      ports: [{ port, protocol: 'TCP', ...more }],
      ...(cidr === undefined ? {} : { to: [{ ipBlock: { cidr } }] }),
    });
    const ofSign = policy('x-hsm', { [component]: 'sign' }, rule(1792, '192.0.2.0/28'));
    const waysWith = (...objects) =>
      waysToHsm({ name: 'x', objects, values: { networkPolicy: { hsm } } });

    test('that lead only sign to it are good', () => {
      const brokers = policy('x-backplane', {}, rule(9092), rule(1792, '192.0.2.16/28'));
      const names = policy('x-names', {}, rule(1792, undefined, { protocol: 'UDP' }));
      expect(waysWith(ofSign, brokers, names)).toEqual([]);
    });

    test.each([
      ['its port anywhere', rule(1792)],
      ['every port of its network', { to: [{ ipBlock: { cidr: '192.0.2.0/28' } }] }],
      ['its port in a network around it', rule(1792, '192.0.0.0/16')],
      ['its port at one of its addresses', rule(1792, '192.0.2.5/32')],
      ['a range of ports', rule(1000, '192.0.2.0/28', { endPort: 2000 })],
      ['everything', {}],
    ])('that open %s to another role are found', (_, egress) => {
      const found = ['x: x-other lets others than sign to the HSM'];
      const toPublish = policy('x-other', { [component]: 'publish' }, rule(9092), egress);
      expect(waysWith(ofSign, toPublish)).toEqual(found);
      expect(waysWith(ofSign, policy('x-other', {}, egress))).toEqual(found);
    });

    test('that lead nobody to it are found', () => {
      expect(waysWith(policy('x-backplane', {}, rule(9092)))).toEqual([
        'x: sign cannot reach the HSM',
      ]);
    });
  });

  test('that do not scale sign by its saturation are found', () => {
    const serverAddress = 'http://prometheus:9090';
    const values = { autoscaling: { enabled: true, prometheus: { serverAddress } } };
    const query = 'avg(certmill_sign_slot_saturation_ratio{pod=~"x-sign-.*"})';
    const trigger = (changes = {}) => ({
      type: 'prometheus',
      metadata: { serverAddress, query, threshold: '0.8', ...changes },
    });
    const scaledBy = (...triggers) => ({
      name: 'x',
      values,
      objects: [
        {
          kind: 'ScaledObject',
          metadata: { name: 'x-sign', labels: { 'app.kubernetes.io/component': 'sign' } },
          spec: { scaleTargetRef: { name: 'x-sign' }, triggers },
        },
      ],
    });
    expect(wrongSaturation([scaledBy({ type: 'kafka' }, trigger())])).toEqual([]);
    const bad = ['x: x-sign is not scaled by its own saturation'];
    expect(wrongSaturation([scaledBy({ type: 'kafka' })])).toEqual(bad);
    expect(wrongSaturation([scaledBy(trigger({ serverAddress: 'http://else' }))])).toEqual(bad);
    const ofAnother = query.replace('x-sign', 'x-validate');
    expect(wrongSaturation([scaledBy(trigger({ query: ofAnother }))])).toEqual(bad);
    expect(wrongSaturation([{ name: 'x', values, objects: [] }])).toHaveLength(1);
    expect(wrongSaturation([{ name: 'x', values: {}, objects: [] }])).toHaveLength(1);
  });
});

test('a tool that is missing is named with how to get it', () => {
  const missing = missingTools({ PATH: '/nowhere', CERTMILL_NATIVE_CACHE: '/nowhere' });
  expect(missing).toHaveLength(4);
  expect(missing.join()).toMatch(/promtool is missing: .*apt-get install prometheus/);
});
