import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePorts } from '../process/free-ports.js';
import { FleetService, type FleetRole } from './fleet-service.js';
import { pathOfWorkspace } from './workspace-commands.js';

export interface ServicePlan {
  readonly role: FleetRole;
  readonly lanes: readonly ('bulk' | 'interactive')[];
  /** Processes of the kind; 1 where absent. */
  readonly count?: number;
  /** Of the face, for the first process of a kind that has one; a free one where absent. */
  readonly port?: number;
  /** Put over their configuration. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** Makes services of a fleet with their configuration files. */
export class ServiceMaker {
  readonly #folder: string;
  readonly #shared: Readonly<Record<string, unknown>>;
  readonly #apiPort: number;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #commandOf: (role: FleetRole) => readonly [string, ...string[]];
  readonly #keepsMarks: boolean;
  readonly #counts = new Map<string, number>();

  constructor(
    folder: string,
    shared: Readonly<Record<string, unknown>>,
    apiPort: number,
    environment: Readonly<Record<string, string>>,
    commandOf: (role: FleetRole) => readonly [string, ...string[]],
    keepsMarks: boolean,
  ) {
    this.#keepsMarks = keepsMarks;
    this.#commandOf = commandOf;
    this.#folder = folder;
    this.#shared = shared;
    this.#apiPort = apiPort;
    this.#environment = environment;
  }

  async make(plan: ServicePlan): Promise<readonly FleetService[]> {
    const { role, lanes, count = 1, settings = {} } = plan;
    const services: FleetService[] = [];
    for (let i = 0; i < count; i += 1) {
      const kind = lanes.length > 1 ? role : `${role}-${lanes.join('')}`;
      const number = (this.#counts.get(kind) ?? 0) + 1;
      this.#counts.set(kind, number);
      const name = number === 1 ? kind : `${kind}-${String(number)}`;
      const [operationsPort = 0] = await freePorts(1);
      const apiPort = await this.#apiPortOf(plan, number);
      const configFile = await this.writeConfig(name, {
        lanes,
        operations: { port: operationsPort },
        ...(apiPort === undefined ? {} : this.#faceOf(role, apiPort)),
        ...(role === 'sign' && this.#keepsMarks ? await this.#marksOf(name) : {}),
        ...settings,
      });
      services.push(
        new FleetService({
          name,
          role,
          command: this.#commandOf(role),
          configFile,
          operationsPort,
          ...(apiPort === undefined ? {} : { apiPort }),
          logFile: join(this.#folder, `${name}.log`),
          environment: { ...pathOfWorkspace(), ...this.#environment },
        }),
      );
    }
    return services;
  }

  /** Of roles with a face; a second ingest cannot have the first one's. */
  async #apiPortOf({ role, port }: ServicePlan, number: number): Promise<number | undefined> {
    if (role !== 'ingest' && role !== 'status') return undefined;
    const own = role === 'ingest' ? this.#apiPort : port;
    if (number === 1 && own !== undefined) return own;
    const [free = 0] = await freePorts(1);
    return free;
  }

  #faceOf(role: FleetRole, port: number): Readonly<Record<string, unknown>> {
    const section = role === 'status' ? 'status' : 'http';
    return { [section]: { ...(this.#shared[section] as object | undefined), port } };
  }

  /** No two processes share a folder of marks. */
  async #marksOf(name: string): Promise<Readonly<Record<string, unknown>>> {
    const statusMarks = join(this.#folder, `${name}-status-marks`);
    await mkdir(statusMarks, { mode: 0o700 });
    return { statusMarks };
  }

  /** As JSON, which is YAML too. */
  async writeConfig(name: string, settings: Readonly<Record<string, unknown>>): Promise<string> {
    const file = join(this.#folder, `${name}.json`);
    await writeFile(file, JSON.stringify({ ...this.#shared, ...settings }, undefined, 2));
    return file;
  }
}
