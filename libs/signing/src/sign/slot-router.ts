import { CertmillError, isCertmillError, type Lane } from '@certmill/domain';
import type { CpuMeter, Stoppable } from '@certmill/ports';
import type { SlotPlace } from '../slots/signing-slot.js';
import { LostChunks } from '../worker-pool/lost-chunks.js';
import { errorOfFault } from '../worker-pool/worker-fault.js';
import { IssuerSlot, type IssuerSlotHealth, type RestTimes } from './issuer-slot.js';
import type { KeyTask, KeyTaskDone, KeyTaskRunner } from './key-task.js';
import type { KeyTaskKind } from './sign-messages.js';
import { assertWired, openingOf, type SigningIssuer } from './signing-issuer.js';
import type { SlotHealth, SlotPool } from './slot-pool.js';

/** Keys that are opened at the start, so that a wrong one of few issuers is told before all else. */
const maxOpenedFirst = 16;
/** What is told of issuers that are out, so that it stays readable where a place with 10,000 is. */
const maxIssuersTold = 100;

export interface SlotRouterOptions {
  /** That places are open for. */
  readonly lanes: readonly Lane[];
  readonly findIssuer: (
    name: string,
  ) => SigningIssuer | undefined | Promise<SigningIssuer | undefined>;
  readonly createPlace: (place: SlotPlace) => SlotPool;
  /** Of one key, before it is tried again. */
  readonly rest: RestTimes;
  readonly onKeyChange: (health: IssuerSlotHealth) => void;
}

/** An issuer's key in one place. */
interface RoutedSlot {
  readonly key: IssuerSlot;
  readonly place: SlotPool;
}

interface Route {
  /** What it was made from: another object is another configuration. */
  readonly issuer: SigningIssuer;
  readonly slots: readonly RoutedSlot[];
}

/** Brings each task to the healthy place with its issuer's key and the least in hand. */
export class SlotRouter implements KeyTaskRunner, Stoppable, CpuMeter {
  private readonly options: SlotRouterOptions;
  private readonly places = new Map<string, SlotPool>();
  /** How many places have a name. */
  private readonly namesakes = new Map<string, number>();
  private readonly routes = new Map<string, Route>();
  /** Places that are being opened for issuers which were not there at the start. */
  private readonly opening = new Map<SlotPool, Promise<unknown>>();
  private readonly lostTasks = new LostChunks();

  constructor(options: SlotRouterOptions) {
    this.options = options;
  }

  /**
   * Opens all places, with the keys of the first issuers and one of each place. Resolves to what went
   * wrong with them. Faults: CONFIG_INVALID.
   */
  async open(issuers: readonly SigningIssuer[]): Promise<readonly CertmillError[]> {
    assertAllWired(issuers);
    const firstKeys = new Map<SlotPool, IssuerSlot[]>();
    for (const { place } of issuers.flatMap(({ slots }) => slots)) this.placeOf(place);
    for (const [index, issuer] of issuers.entries()) {
      const places = issuer.slots.map(({ place }) => this.placeOf(place));
      if (index >= maxOpenedFirst && places.every((place) => firstKeys.has(place))) continue;
      for (const { key, place } of this.addRoute(issuer).slots) {
        firstKeys.set(place, [...(firstKeys.get(place) ?? []), key]);
      }
    }
    const opened = [...firstKeys].map(([place, keys]) => place.open(keys));
    return (await Promise.all(opened)).flat();
  }

  health(): readonly SlotHealth[] {
    return [...this.places.values()].map((place) => place.health);
  }

  /** Names of issuers of which no key can be used now, as far as they were used; the first 100. */
  issuersOut(): readonly string[] {
    const names: string[] = [];
    for (const [name, { slots }] of this.routes) {
      if (slots.some(({ key, place }) => key.isReady && place.isReady)) continue;
      names.push(name);
      if (names.length === maxIssuersTold) break;
    }
    return names;
  }

  async cpuMicroseconds(): Promise<number> {
    const places = [...this.places.values()];
    const usages = await Promise.all(places.map((place) => place.cpuMicroseconds()));
    return usages.reduce((total, usage) => total + usage, 0);
  }

  async run<K extends KeyTaskKind>(issuer: string, task: KeyTask<K>): Promise<KeyTaskDone<K>> {
    const { lane } = task;
    if (!this.options.lanes.includes(lane)) {
      throw new CertmillError(
        'FAULT_PROCESSING',
        `the slots are open for other lanes than ${lane}`,
      );
    }
    const slots = await this.slotsOf(issuer);
    const tried = new Set<RoutedSlot>();
    for (;;) {
      const slot = leastBusy(slots, lane, tried);
      if (slot === undefined) throw noSlotLeft(issuer, slots, lane, tried);
      tried.add(slot);
      const outcome = await slot.place.run(slot.key, task);
      switch (outcome.kind) {
        case 'done':
          return { result: outcome.result, slot: slot.key.name };
        case 'fault':
          throw errorOfFault(outcome);
        case 'stopping':
          throw stopping();
        case 'slot-lost':
          if (outcome.workerDied && this.lostTasks.isPoison(task.identity)) {
            throw new CertmillError('FAULT_PROCESSING', 'workers die of this task');
          }
          break;
        case 'overloaded':
      }
    }
  }

  async stop(timeoutMs: number): Promise<void> {
    await Promise.all([...this.places.values()].map((place) => place.stop(timeoutMs)));
  }

  /** The slots of an issuer as it is configured now. Faults: FAULT_PROCESSING, FAULT_HSM_REFUSED. */
  private async slotsOf(name: string): Promise<readonly RoutedSlot[]> {
    const issuer = await this.options.findIssuer(name);
    const known = this.routes.get(name);
    const route = known?.issuer === issuer ? known : this.replaceRoute(name, known, issuer);
    if (route === undefined) {
      throw new CertmillError('FAULT_PROCESSING', `sign is not configured for issuer ${name}`);
    }
    for (const { place } of route.slots) await this.opening.get(place);
    return route.slots;
  }

  private replaceRoute(
    name: string,
    known: Route | undefined,
    issuer: SigningIssuer | undefined,
  ): Route | undefined {
    for (const { key, place } of known?.slots ?? []) place.remove(key);
    this.routes.delete(name);
    if (issuer === undefined) return undefined;
    try {
      const route = this.addRoute(issuer);
      this.openNewPlaces(route);
      return route;
    } catch (cause) {
      // At the start it ends the process; later it is one issuer's, and the others' tasks must go on.
      throw isCertmillError(cause)
        ? new CertmillError('FAULT_HSM_REFUSED', cause.message, { cause })
        : cause;
    }
  }

  private addRoute(issuer: SigningIssuer): Route {
    const { rest, onKeyChange } = this.options;
    assertWired(issuer);
    const slots = issuer.slots.map((slot): RoutedSlot => {
      const key = new IssuerSlot(openingOf(issuer, slot), rest, onKeyChange);
      const place = this.placeOf(slot.place);
      place.add(key);
      return { key, place };
    });
    const route = { issuer, slots };
    this.routes.set(issuer.name, route);
    return route;
  }

  private openNewPlaces({ slots }: Route): void {
    for (const { place } of slots) {
      if (!place.isNew) continue;
      const keys = slots.filter((slot) => slot.place === place).map(({ key }) => key);
      const opened = place.open(keys).then(() => this.opening.delete(place));
      this.opening.set(place, opened);
    }
  }

  private placeOf(place: SlotPlace): SlotPool {
    const known = this.places.get(place.id);
    if (known !== undefined) return known;
    const namesakes = (this.namesakes.get(place.name) ?? 0) + 1;
    this.namesakes.set(place.name, namesakes);
    // Tokens of two modules can have one label; metrics tell them apart.
    const name = namesakes === 1 ? place.name : `${place.name} (${String(namesakes)})`;
    const created = this.options.createPlace({ ...place, name });
    this.places.set(place.id, created);
    return created;
  }
}

function assertAllWired(issuers: readonly SigningIssuer[]): void {
  const names = new Set<string>();
  for (const issuer of issuers) {
    assertWired(issuer);
    if (names.has(issuer.name)) {
      throw new CertmillError('CONFIG_INVALID', `issuer ${issuer.name} is configured twice`);
    }
    names.add(issuer.name);
  }
}

function leastBusy(
  slots: readonly RoutedSlot[],
  lane: Lane,
  tried: ReadonlySet<RoutedSlot>,
): RoutedSlot | undefined {
  let best: RoutedSlot | undefined;
  for (const slot of slots) {
    const { key, place } = slot;
    if (!place.isReady || !key.mayTry || place.isFull(lane) || tried.has(slot)) continue;
    if (best === undefined || place.outstanding(lane) < best.place.outstanding(lane)) best = slot;
  }
  return best;
}

function noSlotLeft(
  issuer: string,
  slots: readonly RoutedSlot[],
  lane: Lane,
  tried: ReadonlySet<RoutedSlot>,
): CertmillError {
  const isUsable = ({ key, place }: RoutedSlot): boolean => place.isReady && key.mayTry;
  if (slots.some((slot) => isUsable(slot) && (slot.place.isFull(lane) || !tried.has(slot)))) {
    return new CertmillError('FAULT_OVERLOADED', `the queues of issuer ${issuer} are full`);
  }
  if (slots.every(({ place }) => place.isStopped)) return stopping();
  const refusals = slots.flatMap(({ key, place }) => place.refusal ?? key.refusal ?? []);
  const [refusal] = refusals;
  if (refusal !== undefined && refusals.length === slots.length) {
    // At the start it ends the process; later it is one issuer's, and the others' tasks must go on.
    return refusal.disposition === 'halt'
      ? new CertmillError('FAULT_HSM_REFUSED', refusal.message, { cause: refusal })
      : refusal;
  }
  const cause = slots.flatMap(({ key, place }) => key.reason ?? place.health.reason ?? [])[0];
  const why = cause === undefined ? '' : `: ${cause.message}`;
  return new CertmillError('FAULT_HSM_LOST', `no slot of issuer ${issuer} can be used now${why}`);
}

function stopping(): CertmillError {
  return new CertmillError('FAULT_STOPPING', 'the signing pools are stopping');
}
