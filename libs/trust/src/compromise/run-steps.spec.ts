import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planCompromise, type CompromiseStep } from './plan.js';
import {
  compromiseFileOf,
  readCompromise,
  withCompromise,
  writeCompromise,
  type CompromiseRun,
  type StepFacts,
} from './run-record.js';
import { factsOf, runSteps, stepsLeft, type StepDoer } from './run-steps.js';

class Killed extends Error {}

const plan = planCompromise(
  {
    name: 'leave-old',
    issuer: 'old',
    reason: 'cACompromise',
    successor: { name: 'new' },
    isReissued: true,
    isCaFirst: false,
    keepsCa: false,
  },
  { serialNumberHex: '07', hasParent: true, isSuccessorThere: false, nowMs: 1 },
);
const { steps } = plan;

let data: string;
beforeEach(async () => {
  data = mkdtempSync(join(tmpdir(), 'certmill-compromise-'));
  await withCompromise(data, 'leave-old', () => writeCompromise(data, { plan, done: [] }));
});
afterEach(() => {
  rmSync(data, { recursive: true, force: true });
});

/** A world in which each step has an effect once, and a process that is killed at one of its points. */
class World {
  readonly effects: CompromiseStep[] = [];
  nowMs = 1_000;
  /** Counts down: at 0 the process is gone. */
  lifeLeft = Infinity;
  readonly #noted = new Map<CompromiseStep, StepFacts>();

  async live(): Promise<CompromiseRun> {
    const run = await readCompromise(data, 'leave-old');
    if (run === undefined) throw new Killed('no run');
    return runSteps({
      run,
      now: () => (this.nowMs += 10),
      save: async (next) => {
        this.#breathe();
        await writeCompromise(data, next);
        this.#breathe();
      },
      doers: Object.fromEntries(steps.map((step) => [step, this.#doer(step)])) as Record<
        CompromiseStep,
        StepDoer
      >,
    });
  }

  #doer(step: CompromiseStep): StepDoer {
    return async (run, note) => {
      this.#breathe();
      // What it has noted it finds in each life, and nothing that another one has noted.
      const found = run.begun?.noted;
      expect(found).toEqual(this.#noted.get(step) ?? (found && { by: step }));
      await note({ by: step });
      this.#noted.set(step, { by: step });
      // What was done before is known to later steps.
      expect(run.done.map((done) => done.step)).toEqual(steps.slice(0, steps.indexOf(step)));
      if (!this.effects.includes(step)) this.effects.push(step);
      this.#breathe();
      return { place: steps.indexOf(step) };
    };
  }

  #breathe(): void {
    this.lifeLeft -= 1;
    if (this.lifeLeft < 0) throw new Killed();
  }
}

describe('a run', () => {
  it('killed at every point and begun again does each step once, in order', async () => {
    const whole = new World();
    whole.lifeLeft = 10_000;
    await whole.live();
    const points = 10_000 - whole.lifeLeft;
    expect(points).toBe(steps.length * 8);
    for (let point = 0; point < points; point += 1) {
      await writeCompromise(data, { plan, done: [] });
      const world = new World();
      world.lifeLeft = point;
      await expect(world.live()).rejects.toThrow(Killed);
      world.lifeLeft = Infinity;
      const run = await world.live();
      expect(world.effects).toEqual(steps);
      expect(run.done.map(({ step }) => step)).toEqual(steps);
      expect(stepsLeft(run)).toEqual([]);
      expect(await readCompromise(data, 'leave-old')).toEqual(run);
    }
  });

  it('killed again and again, however early, comes to its end', async () => {
    const world = new World();
    for (let lives = 0; ; lives += 1) {
      world.lifeLeft = 6;
      const run = await world.live().catch((error: unknown) => {
        if (error instanceof Killed) return undefined;
        throw error;
      });
      expect(lives).toBeLessThan(50);
      if (run !== undefined) break;
    }
    expect(world.effects).toEqual(steps);
  });

  it('counts the time of a step from when it was first begun', async () => {
    const world = new World();
    world.lifeLeft = 3;
    await expect(world.live()).rejects.toThrow(Killed);
    const begun = await readCompromise(data, 'leave-old');
    expect(begun).toMatchObject({ begun: { step: 'successor', atMs: 1_010 }, done: [] });
    world.lifeLeft = Infinity;
    world.nowMs = 9_000;
    const run = await world.live();
    expect(run.done[0]).toMatchObject({ step: 'successor', startedAtMs: 1_010, endedAtMs: 9_010 });
    expect(factsOf(run, 'drain')).toEqual({ place: 2 });
  });

  it('that is over does nothing more', async () => {
    const world = new World();
    const run = await world.live();
    world.lifeLeft = 0;
    expect(await world.live()).toEqual(run);
  });
});

describe('the record of a run', () => {
  it('is none where none was begun', async () => {
    expect(await readCompromise(data, 'other')).toBeUndefined();
  });

  it.each(['', '{}', '{"formatVersion":2}', '[]'])('that is damaged is told: %j', async (text) => {
    writeFileSync(compromiseFileOf(data, 'leave-old'), text);
    await expect(readCompromise(data, 'leave-old')).rejects.toMatchObject({
      code: 'FAULT_STORE_CORRUPT',
    });
  });

  it('is held by one process at a time', async () => {
    await withCompromise(data, 'leave-old', async () => {
      await expect(
        withCompromise(data, 'leave-old', () => Promise.resolve()),
      ).rejects.toMatchObject({ code: 'DATA_FOLDER_IN_USE' });
      await withCompromise(data, 'other', () => Promise.resolve());
    });
    await withCompromise(data, 'leave-old', () => Promise.resolve());
  });
});
