/**
 * Rot: damaged copies of one specimen, each examined in another process.
 *
 * Owns the copies, the processes and what is expected of each damage. One flipped bit must change nothing at all.
 * Whatever more is wrong, the damaged side goes on and accounts for every event, or refuses with a code, and then works
 * again as soon as the file is as it was. A process that ends over it, or does not come back, is a finding. Never
 * damages the specimen.
 */
import assert from 'node:assert/strict';
import { access, cp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Programs, taskArguments } from '../../rig/programs.ts';
import { createRandom } from '../../rig/random.ts';
import { readJournal } from '../oracle/journal.ts';
import { type Damage, damage } from './damage.ts';
import type { Case, Contents, Examination, ExaminerTask } from './examiner.ts';
import { copySpecimen, makeSpecimen, type Specimen } from './specimen.ts';

export interface Outcome {
  readonly damage: Damage;
  readonly lost: number;
  readonly doubled: number;
  readonly gaps: number;
  readonly end: Examination['end'] | 'none';
  readonly problems: readonly string[];
}

export interface Rot {
  /** Resolved events in the specimen. */
  readonly events: number;
  /** So many damages, one a copy. */
  strike(seed: number, count: number): Promise<Outcome[]>;
  close(): Promise<void>;
}

export interface RotOptions {
  readonly programs: Programs;
  readonly folder: string;
  readonly seed: number;
}

/** In memory, where there is such a place: thousands of databases are opened. */
const MEMORY = '/dev/shm';
const ABREAST = 4;
/** How often also what seems unchanged is drained and judged. */
const THOROUGH_SHARE = 0.05;
/** Nothing that should happen takes this long. */
const PATIENCE_MS = 90_000;

export async function openRot({ programs, folder, seed }: RotOptions): Promise<Rot> {
  const specimen = await makeSpecimen(programs, join(folder, 'specimen'), seed);
  const place = await access(MEMORY).then(
    () => join(MEMORY, `tidegate-rot-${process.pid}`),
    () => join(folder, 'rot'),
  );
  await mkdir(place, { recursive: true });
  const copies = new Copies(programs, specimen, place);
  await copies.begin();
  return copies;
}

interface Patient {
  readonly examined: Case;
  readonly seed: number | undefined;
  readonly damage: Damage | undefined;
  readonly folder: string;
}

/** How the process of an examination ended, where it ended over it. */
type Ending = Examination | { readonly ended: string };

class Copies implements Rot {
  readonly #programs: Programs;
  readonly #specimen: Specimen;
  readonly #place: string;
  #made = 0;
  #undamaged: Contents | undefined;
  events = 0;

  constructor(programs: Programs, specimen: Specimen, place: string) {
    this.#programs = programs;
    this.#specimen = specimen;
    this.#place = place;
  }

  /** What is not damaged must be whole, or nothing is shown by what is. */
  async begin(): Promise<void> {
    const patient = await this.#admit(undefined);
    const [ending] = await this.#examine([patient]);
    await this.#dismiss(patient);
    assert(ending !== undefined && 'end' in ending && ending.end === 'drained', JSON.stringify(ending));
    assert.equal(ending.problems.join('; '), '', 'undamaged data');
    this.#undamaged = ending.contents as Contents;
    this.events = readJournal(this.#specimen.journal).resolved.size;
  }

  async strike(seed: number, count: number): Promise<Outcome[]> {
    const random = createRandom(seed);
    const patients: Patient[] = [];
    for (let i = 0; i < count; i += 1) patients.push(await this.#admit(Math.floor(random() * 2 ** 32)));
    const endings = await this.#examine(patients);
    const outcomes: Outcome[] = [];
    for (const [i, patient] of patients.entries()) {
      outcomes.push(await this.#judge(patient, endings[i]!));
      await this.#dismiss(patient);
    }
    return outcomes;
  }

  async close(): Promise<void> {
    await rm(this.#place, { recursive: true, force: true });
  }

  async #judge(patient: Patient, ending: Ending): Promise<Outcome> {
    const { damage } = patient;
    assert(damage !== undefined);
    if ('ended' in ending) {
      return {
        damage,
        lost: 0,
        doubled: 0,
        gaps: 0,
        end: 'none',
        problems: [ending.ended],
      };
    }
    const { end, code, lost, doubled, gaps } = ending;
    const problems = [...ending.problems];
    // A device goes on with what is whole. What is sealed only as a whole a gateway may refuse over a bit.
    const mayRefuse = damage.side === 'gateway' && (damage.kind !== 'bit' || damage.file === 'keys.json');
    if (end === 'refused' && !mayRefuse) problems.push(`refused with ${code}`);
    if (damage.kind === 'bit' && gaps > 0) problems.push(`${gaps} events given up over one bit`);
    if (end === 'refused') problems.push(...(await this.#restored(patient)));
    return { damage, lost, doubled, gaps, end, problems };
  }

  /** With the one file as it was, everything is as it was: refusing has thrown nothing away. */
  async #restored({ damage, examined, folder }: Patient): Promise<string[]> {
    assert(damage !== undefined);
    await cp(join(this.#specimen[damage.side], damage.path), join(folder, damage.side, damage.path));
    const mended = { ...examined, id: ++this.#made, damaged: undefined, isThorough: true };
    const [ending] = await this.#examine([{ examined: mended, damage: undefined, folder, seed: undefined }]);
    if (ending === undefined || 'ended' in ending) return [`with the file as it was: ${ending?.ended}`];
    return ending.problems.map((problem) => `with the file as it was: ${problem}`);
  }

  async #admit(seed: number | undefined): Promise<Patient> {
    const id = ++this.#made;
    const folder = join(this.#place, `${id}`);
    const copies = await copySpecimen(this.#specimen, folder);
    const random = createRandom(seed ?? 0);
    const done = seed === undefined ? undefined : damage(copies, random);
    const isThorough = seed === undefined || random() < THOROUGH_SHARE;
    return { examined: { id, ...copies, damaged: done?.side, isThorough }, seed, damage: done, folder };
  }

  async #dismiss({ folder }: Patient): Promise<void> {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }

  /** In the order of the patients. */
  async #examine(patients: readonly Patient[]): Promise<Ending[]> {
    const endings = new Map<number, Ending>();
    const left = () => patients.filter(({ examined }) => !endings.has(examined.id));
    while (left().length > 0) {
      const ended: number[] = [];
      for (const [id, ending] of await this.#run(left())) {
        if ('ended' in ending) ended.push(id);
        else endings.set(id, ending);
      }
      // A process that ended over one of them had others at hand: each has its turn alone.
      for (const patient of left().filter(({ examined }) => ended.includes(examined.id))) {
        const again = await this.#admit(patient.seed);
        for (const ending of (await this.#run([again])).values()) endings.set(patient.examined.id, ending);
        await this.#dismiss(again);
      }
    }
    return patients.map(({ examined }) => endings.get(examined.id)!);
  }

  /** One process; where it ends early, some are left. */
  async #run(patients: readonly Patient[]): Promise<Map<number, Ending>> {
    const cases = patients.map(({ examined }) => examined);
    const task: ExaminerTask = { specimen: this.#specimen, undamaged: this.#undamaged, cases, abreast: ABREAST };
    const program = this.#programs.start('examiner', 'faults/disk/examiner.js', taskArguments(task));
    const begun = new Set<number>();
    const endings = new Map<number, Ending>();
    let isHanging = false;
    const watch = new AbortController();
    const hang = sleep(PATIENCE_MS, undefined, { signal: watch.signal }).then(
      () => {
        isHanging = true;
        program.kill('SIGKILL');
      },
      () => {},
    );
    const { status, output } = await program.ended;
    watch.abort();
    await hang;
    for (const line of output.split('\n').filter((one) => one.startsWith('{'))) {
      const { begun: id, examined } = JSON.parse(line) as { begun?: number; examined?: Examination };
      if (id !== undefined) begun.add(id);
      if (examined !== undefined) endings.set(examined.id, examined);
    }
    assert(begun.size > 0, `the examiner did nothing: ${program.lastWords()}`);
    const ended = isHanging
      ? `nothing within ${PATIENCE_MS} ms`
      : `the process ended with status ${status}: ${program.lastWords()}`;
    for (const id of begun) if (!endings.has(id)) endings.set(id, { ended });
    return endings;
  }
}
