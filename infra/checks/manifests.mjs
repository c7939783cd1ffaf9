import { BlockList, isIP } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import { readYaml } from './files.mjs';
import { groups, topics } from '../../libs/events/dist/topics.js';

const roleOf = (object) => object.metadata.labels?.['app.kubernetes.io/component'];
const isWorkload = ({ kind }) => kind === 'Deployment' || kind === 'StatefulSet';
const configOf = ({ metadata }, objects) =>
  objects.find(({ kind, metadata: its }) => kind === 'ConfigMap' && its.name === metadata.name)
    .data['fleet.yaml'];

/** Configurations of services in rendered manifests. */
export function manifestConfigs({ name, objects }) {
  return objects
    .filter(({ kind, data }) => kind === 'ConfigMap' && data?.['fleet.yaml'] !== undefined)
    .map(({ metadata, data }) => ({
      where: `helm, ${name}: ${metadata.name}`,
      text: data['fleet.yaml'],
    }));
}

/** Topics and groups by which KEDA scales are those of the services. */
export function wrongTriggers({ name, objects }) {
  const stageTopics = {
    validate: topics.requestsReceived,
    sign: topics.requestsValidated,
    publish: topics.certificatesIssued,
  };
  return objects
    .filter(({ kind }) => kind === 'ScaledObject')
    .flatMap((object) =>
      object.spec.triggers
        .filter(({ type }) => type === 'kafka')
        .flatMap(({ metadata: { topic, consumerGroup } }) => {
          const role = roleOf(object);
          const isRight =
            Object.values(stageTopics[role]).includes(topic) &&
            consumerGroup === `${groups[role]}.${topic}`;
          return isRight ? [] : [`${name}: ${object.metadata.name} is scaled by ${consumerGroup}`];
        }),
    );
}

/** What KEDA scales is there, by its kind too. */
export function lostTargets({ name, objects }) {
  return objects
    .filter(({ kind }) => kind === 'ScaledObject')
    .filter(({ spec: { scaleTargetRef: target } }) => {
      return !objects.some(
        ({ kind, metadata }) =>
          kind === (target.kind ?? 'Deployment') && metadata.name === target.name,
      );
    })
    .map(({ metadata }) => `${name}: ${metadata.name} scales nothing`);
}

/**
 * Pods of sign that do not keep what they have seen of the log of status changes (ADR 0035) each in a claim
 * of its own; none has to where the values say so.
 */
export function lostMarks({ name, objects, values }) {
  if (values.statusMarks?.enabled === false) return [];
  const workloads = objects.filter((object) => isWorkload(object) && roleOf(object) === 'sign');
  if (workloads.length === 0) return [`${name}: there is no sign`];
  return workloads
    .filter((workload) => {
      const [, folder] = /^statusMarks: (\S+)$/m.exec(configOf(workload, objects)) ?? [];
      const claims = workload.spec.volumeClaimTemplates ?? [];
      return !workload.spec.template.spec.containers[0].volumeMounts.some(
        ({ name: volume, mountPath, readOnly = false }) =>
          mountPath === folder &&
          !readOnly &&
          claims.some(({ metadata }) => metadata.name === volume),
      );
    })
    .map(({ metadata }) => `${name}: ${metadata.name} forgets its statusMarks`);
}

/**
 * Sign is scaled by the saturation of its own slots too, wherever Prometheus is named; at least one
 * rendering names it.
 */
export function wrongSaturation(manifests) {
  const scaled = manifests.filter(({ values }) => addressOf(values) !== undefined);
  if (scaled.length === 0) return ['no values name a Prometheus: nothing is scaled by saturation'];
  return scaled.flatMap(({ name, objects, values }) => {
    const ofSign = objects.filter(
      (each) => each.kind === 'ScaledObject' && roleOf(each) === 'sign',
    );
    if (ofSign.length === 0) return [`${name}: nothing scales sign`];
    return ofSign
      .filter(({ spec: { scaleTargetRef, triggers } }) => {
        const [trigger, ...more] = triggers.filter(({ type }) => type === 'prometheus');
        const query = trigger?.metadata.query ?? '';
        return !(
          more.length === 0 &&
          trigger?.metadata.serverAddress === addressOf(values) &&
          Number(trigger.metadata.threshold) > 0 &&
          query.includes('certmill_sign_slot_saturation_ratio{') &&
          query.includes(`pod=~"${scaleTargetRef.name}-.*"`)
        );
      })
      .map(({ metadata }) => `${name}: ${metadata.name} is not scaled by its own saturation`);
  });
}

const addressOf = ({ autoscaling }) =>
  autoscaling?.enabled === true ? autoscaling.prometheus?.serverAddress : undefined;

/** Redis, as who has timed jobs speaks to it. */
const redis = 'redis/.*|redis-tls/.*';

/** Files of secrets that a pod of each role may have, beside how it speaks to brokers and store. */
const allowed = {
  ingest: new RegExp(
    `^(?:hop/(?:received|status)\\.json|manifest-key\\.pem|http/.*|trust/.*|${redis})$`,
  ),
  validate: /^hop\/(?:received|validated)\.json$/,
  sign: new RegExp(
    `^(?:hop/(?:validated|issued|status)\\.json|slots/.*|responders/passphrase|trust/.*|${redis})$`,
  ),
  publish: new RegExp(`^(?:hop/issued\\.json|${redis})$`),
  status:
    /^trust\/(?:serial-keys\.json|ca\/[^/]+\/(?:chain\.pem|status\.json|ca\.json|retired\.json|delegates\/[^/]+\.pem)|ca-crls\/[^/]+\.pem)$/,
  init: /^$/,
};
const connections = (role) => (role === 'status' ? /^mongo\// : /^(?:kafka|mongo)\//);

const roleOfTrust = new Set(['ingest', 'sign', 'status']);

/** CRLs of CAs above the issuers that a pod with a trust folder does not have. */
export function lostCaCrls(manifest) {
  const cas = Object.keys(manifest.values.caCrls ?? {});
  return lostOfTrust(
    manifest,
    cas.map((ca) => `trust/ca-crls/${ca}.pem`),
  );
}

/** Copies of delegates, whose ends are told, that such a pod does not have. */
export function lostDelegates(manifest) {
  const issuers = Object.entries(manifest.values.issuers ?? {});
  return lostOfTrust(
    manifest,
    issuers.flatMap(([issuer, { delegates }]) =>
      (delegates?.keys ?? []).map((key) => `trust/ca/${issuer}/delegates/${key}`),
    ),
  );
}

function lostOfTrust({ name, objects }, wanted) {
  const pods = objects.filter((object) => {
    return isWorkload(object) && roleOfTrust.has(roleOf(object));
  });
  return pods.flatMap((pod) => {
    const paths = new Set(secretPathsOf(pod));
    return wanted
      .filter((path) => !paths.has(path))
      .map((path) => `${name}: ${pod.metadata.name} has no ${path}`);
  });
}

function secretPathsOf(pod) {
  const { volumes } = pod.spec.template.spec;
  const sources = volumes.find((volume) => volume.name === 'secrets')?.projected.sources ?? [];
  return sources.flatMap(({ secret, configMap }) =>
    (secret ?? configMap).items.map(({ path }) => path),
  );
}

/** Secrets that a pod has and its role does not need, and paths in configurations that no secret is at. */
export function strayPaths({ name, objects }) {
  const pods = objects.filter((object) => isWorkload(object) || object.kind === 'Job');
  return pods.flatMap((pod) => {
    const role = roleOf(pod);
    const paths = secretPathsOf(pod);
    const mounted = new Set(paths.map((path) => `/etc/certmill/secrets/${path}`));
    const wanted =
      configOf(pod, objects).match(
        /\/etc\/certmill\/secrets\/\S+\.\w+|\/etc\/certmill\/secrets\/\S+\/(?:pin|password|passphrase)/g,
      ) ?? [];
    return [
      ...paths
        .filter((path) => !connections(role).test(path) && !allowed[role].test(path))
        .map((path) => `${name}: ${pod.metadata.name} has ${path}`),
      ...wanted
        .filter((path) => !mounted.has(path))
        .map(
          (path) =>
            `${name}: ${pod.metadata.name} is configured with ${path}, which is not mounted`,
        ),
    ];
  });
}

/** Who may be reached by whom: only sign opens ports to the HSM, only ingest and status are called. */
export function openDoors({ name, objects }) {
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
  const only = (suffix, role) =>
    policies
      .filter(({ metadata }) => metadata.name.endsWith(suffix))
      .filter((policy) => componentOf(policy) !== role)
      .map(({ metadata }) => `${name}: ${metadata.name} is not for ${role} alone`);
  const deny = policies.filter(
    ({ spec }) =>
      spec.policyTypes.length === 2 && spec.ingress === undefined && spec.egress === undefined,
  );
  return [
    ...(deny.length === 1 && componentOf(deny[0]) === undefined
      ? []
      : [`${name}: nothing denies by default`]),
    ...only('-hsm', 'sign'),
    ...only('-calls', 'ingest'),
    ...only('-questions', 'status'),
    ...only('-ingest-redis', 'ingest'),
    ...only('-publish-redis', 'publish'),
    ...only('-sign-redis', 'sign'),
  ];
}

/** Ways from status to the brokers, whatever the policy is called; and brokers that others cannot reach. */
export function waysToBrokers({ name, objects, values }, ports = kafkaPorts(values)) {
  const reaching = objects.filter(
    ({ kind, spec }) =>
      kind === 'NetworkPolicy' &&
      (spec.egress ?? []).some((rule) => ports.some((port) => opensPort(rule, port))),
  );
  const ofStatus = reaching.filter((policy) => isFor(policy, 'status'));
  return [
    ...ofStatus.map(({ metadata }) => `${name}: ${metadata.name} lets status to the brokers`),
    ...['ingest', 'validate', 'sign', 'publish', 'init']
      .filter((role) => !reaching.some((policy) => isFor(policy, role)))
      .map((role) => `${name}: ${role} cannot reach the brokers`),
  ];
}

const kafkaPorts = ({ networkPolicy }) =>
  networkPolicy?.kafka?.ports ??
  readYaml('infra/helm/certmill/values.yaml').networkPolicy.kafka.ports;

/** Whether a policy is for the pods of a role; of expressions, only those of the role's label are known. */
function isFor(policy, role) {
  const component = componentOf(policy);
  const expressions = policy.spec.podSelector.matchExpressions ?? [];
  return (
    (component === undefined || component === role) &&
    expressions.every(({ key, operator, values }) => {
      if (key !== 'app.kubernetes.io/component') return true;
      if (operator === 'NotIn') return !values.includes(role);
      return operator !== 'In' || values.includes(role);
    })
  );
}

/**
 * Ways out of any pod but those of sign to where the HSM is, whatever the policy is called; and an HSM
 * that sign cannot reach.
 */
export function waysToHsm({ name, objects, values }) {
  const { ports = [], to = [] } = values.networkPolicy?.hsm ?? {};
  if (ports.length === 0) return [];
  const policies = objects.filter(({ kind }) => kind === 'NetworkPolicy');
  const reaching = policies.filter(({ spec }) =>
    (spec.egress ?? []).some(
      (rule) => ports.some((port) => opensPort(rule, port)) && opensPeers(rule, to),
    ),
  );
  const others = reaching.filter((policy) => componentOf(policy) !== 'sign');
  return [
    ...others.map(({ metadata }) => `${name}: ${metadata.name} lets others than sign to the HSM`),
    ...(reaching.length > others.length ? [] : [`${name}: sign cannot reach the HSM`]),
  ];
}

/** Of the pods that a policy is for; undefined where it is for those of several roles. */
const componentOf = ({ spec }) => spec.podSelector.matchLabels?.['app.kubernetes.io/component'];

/** Whether a rule opens a port of TCP; one without ports opens all, and so may one with a name. */
function opensPort({ ports = [] }, wanted) {
  if (ports.length === 0) return true;
  return ports.some(({ port, endPort = port, protocol = 'TCP' }) => {
    if (protocol !== 'TCP') return false;
    return typeof port !== 'number' || (port <= wanted && wanted <= endPort);
  });
}

/** Whether a rule opens the way to one of the peers; no peers are all there are. */
function opensPeers({ to = [] }, wanted) {
  if (to.length === 0 || wanted.length === 0) return true;
  return to.some((peer) => wanted.some((other) => mayBeSame(peer, other)));
}

function mayBeSame(peer, other) {
  if (peer.ipBlock === undefined || other.ipBlock === undefined) {
    return isDeepStrictEqual(peer, other);
  }
  return overlap(peer.ipBlock.cidr, other.ipBlock.cidr);
}

/** Whether two blocks of addresses have one in common. */
function overlap(a, b) {
  const holds = (outer, inner) => {
    const [address, bits] = outer.split('/');
    const [first] = inner.split('/');
    const family = (each) => `ipv${isIP(each)}`;
    const block = new BlockList();
    block.addSubnet(address, Number(bits), family(address));
    return block.check(first, family(first));
  };
  return holds(a, b) || holds(b, a);
}
